//! Accounts: the names under which clients are logged in. A client keeps its account; what the user may do is looked up in
//! it at every command, so that a change is in force for those who are connected too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::user::User;

/// The user that clients are before they log in.
pub(super) const DEFAULT: &[u8] = b"default";

/// A name, and the user that it stands for now.
pub(crate) struct Account {
    pub(crate) name: Box<[u8]>,
    user: ArcSwap<User>,
    /// Whether the user may do everything: all that most commands look at.
    unlimited: AtomicBool,
    removed: AtomicBool,
}

impl Account {
    pub(super) fn new(name: &[u8], user: User) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            unlimited: AtomicBool::new(user.is_unlimited()),
            user: ArcSwap::from_pointee(user),
            removed: AtomicBool::new(false),
        })
    }

    /// Whether its user may do everything.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.unlimited.load(SeqCst)
    }

    /// The user as it is now.
    pub(super) fn user(&self) -> Guard<Arc<User>> {
        self.user.load()
    }

    /// Changes the user.
    pub(super) fn set(&self, user: User) {
        let unlimited = user.is_unlimited();
        // Whoever still sees the flag must not find less than everything behind it later on.
        self.unlimited.store(false, SeqCst);
        self.user.store(Arc::new(user));
        self.unlimited.store(unlimited, SeqCst);
    }

    /// Takes all rights away, for good: clients that are logged in are to be ended.
    pub(super) fn remove(&self) {
        self.removed.store(true, SeqCst);
        self.set(User::nobody());
    }

    /// Whether it was removed.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(SeqCst)
    }

    /// Its name as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// Its line in ACL LIST and in the file.
    pub(super) fn line(&self) -> Vec<u8> {
        [b"user ", &*self.name, b" ", &self.user().show()].concat()
    }
}

/// All accounts.
pub(super) struct Accounts {
    /// Held while one is changed, so that changes come one after another.
    pub(super) by_name: Mutex<BTreeMap<Box<[u8]>, Arc<Account>>>,
    /// The default user's, which is always there, and always the same.
    pub(super) default: Arc<Account>,
}

impl Default for Accounts {
    fn default() -> Self {
        let default = Account::new(DEFAULT, User::unlimited());
        Self { by_name: Mutex::new(BTreeMap::from([(DEFAULT.into(), default.clone())])), default }
    }
}

impl Accounts {
    /// The account of this name.
    pub(super) fn find(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.by_name.lock().get(name).cloned()
    }

    /// All, by name.
    pub(super) fn all(&self) -> Vec<Arc<Account>> {
        self.by_name.lock().values().cloned().collect()
    }
}
