//! What the process takes of the machine, as the system counts it.

/// Bytes of memory that the process has.
pub(crate) struct Resident {
    /// All.
    pub(crate) all: u64,
    /// Those that are its own rather than mapped files.
    pub(crate) own: u64,
    /// The most of its own that it ever had, give or take what it mapped then.
    pub(crate) peak: u64,
}

/// How much memory the process has.
pub(crate) fn resident() -> Resident {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().strip_suffix("kB")).map(str::trim);
        number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    let (all, own) = (bytes("VmRSS:"), bytes("RssAnon:"));
    Resident { all, own, peak: bytes("VmHWM:").saturating_sub(all - all.min(own)).max(own) }
}

/// Seconds that processors worked for the process: for its own code, and in the kernel.
pub(crate) fn processor_s() -> (f64, f64) {
    // Fields 14 and 15, in ticks of a hundredth: counted from behind the name, which may hold spaces.
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let mut ticks =
        after_name.split_ascii_whitespace().skip(11).map(|n| n.parse::<f64>().unwrap_or(0.0) / 100.0);
    (ticks.next().unwrap_or(0.0), ticks.next().unwrap_or(0.0))
}
