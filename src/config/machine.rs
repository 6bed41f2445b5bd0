//! How much memory there is: the machine's, or the cgroup's (version 1 and 2) where that is less.

use std::path::{Path, PathBuf};

/// Where nothing can be learnt.
const FALLBACK: u64 = 256 << 20;

/// The default of the `memory` setting: half of what there is; the other half is for page cache and neighbours.
/// In whole MiB, and at least 64 of them.
pub fn memory_default() -> u64 {
    default_of(total_memory())
}

/// Bytes that the machine has, or its cgroup where that is less; `None` if the system does not tell.
pub fn total_memory() -> Option<u64> {
    memory_limit(&|path| std::fs::read_to_string(path).ok())
}

fn default_of(limit: Option<u64>) -> u64 {
    let half = limit.map_or(FALLBACK, |limit| limit / 2);
    (half >> 20 << 20).max(64 << 20)
}

/// Bytes that this process may use, by the files that `read` shows.
fn memory_limit(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            return None;
        };
        chain(Path::new(root), path).filter_map(|dir| read(&dir.join(file))?.trim().parse::<u64>().ok()).min()
    });
    machine.into_iter().chain(limits).min()
}

/// The cgroup's directory and all above it, since each may set a limit. Inside a container the path that
/// `/proc/self/cgroup` shows may be the host's: then only the root answers, which is the container's own.
fn chain<'a>(root: &'a Path, path: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    Path::new(path.trim_start_matches('/')).ancestors().map(|below| root.join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        memory_limit(&|path| {
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
        })
    }

    const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\n");

    #[test]
    fn a_machine_without_cgroups() {
        assert_eq!(limit(&[MACHINE]), Some(8 << 30));
        assert_eq!(limit(&[]), None);
    }

    #[test]
    fn the_least_limit_of_all_levels_counts() {
        let v2 = [
            MACHINE,
            ("/proc/self/cgroup", "0::/a/b\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1073741824\n"),
        ];
        assert_eq!(limit(&v2), Some(1 << 30));
        let v1 = [
            MACHINE,
            ("/proc/self/cgroup", "5:devices:/\n4:cpu,memory:/host/path\n0::/\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "805306368\n"),
        ];
        assert_eq!(limit(&v1), Some(768 << 20));
    }

    #[test]
    fn no_limit_reads_as_a_huge_number() {
        let v1 = [
            MACHINE,
            ("/proc/self/cgroup", "4:memory:/\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(limit(&v1), Some(8 << 30));
    }

    #[test]
    fn the_default_is_half_and_never_tiny() {
        assert_eq!(default_of(Some(768 << 20)), 384 << 20);
        assert_eq!(default_of(Some(1 << 20)), 64 << 20);
        assert_eq!(default_of(None), FALLBACK);
    }
}
