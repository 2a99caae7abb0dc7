//! Accounts and their access keys: changing them, and knowing them.
//!
//! A gateway asks for who there is each second, and does not go by what it heard more than two seconds ago: so a key that was
//! taken away is of no use after two seconds, whatever becomes of the network. What is not known is asked for at once, so a
//! key that was just given works everywhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use cairn_runtime::Tasks;
use cairn_types::account::{
    AccessKeyId, Account, AccountEntry, CanonicalId, IdentityPage, IssuedKey,
};
use cairn_types::id::{Epoch, GroupId};
use cairn_types::namespace::{AccountMutation, RootMutation, RootQuery, RootView};

use crate::meta::{MetaClient, MutateError, QueryError};

/// How often the root group is asked who there is.
const POLL: Duration = Duration::from_secs(1);

/// What was asked for longer ago may be wrong by now.
const LEASE: Duration = Duration::from_secs(2);

/// Two asks begin so far apart at least: whoever signs with keys that nobody has costs the root group no more than that.
const PACE: Duration = Duration::from_millis(200);

/// The epoch of whoever knows nothing.
const NOTHING: Epoch = Epoch::new(0);

/// Accounts of a page.
const PAGE: u32 = 500;

/// How often accounts may change while they are read page by page before the reader gives up.
const ROUNDS: usize = 8;

/// The accounts of a cluster, to change them. Cloning shares it.
#[derive(Clone)]
pub struct Accounts {
    meta: MetaClient,
}

/// Everybody there is, at one moment. It does not change.
#[derive(Debug)]
pub struct Identities {
    epoch: Epoch,
    entries: Vec<AccountEntry>,
    by_id: HashMap<CanonicalId, usize>,
    by_key: HashMap<AccessKeyId, (usize, usize)>,
}

impl Identities {
    fn new(epoch: Epoch, entries: Vec<AccountEntry>) -> Self {
        let mut by_id = HashMap::new();
        let mut by_key = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            by_id.insert(entry.account.id.clone(), at);
            for (place, key) in entry.keys.iter().enumerate() {
                by_key.insert(key.id.clone(), (at, place));
            }
        }
        Self {
            epoch,
            entries,
            by_id,
            by_key,
        }
    }

    /// Grows with each change.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// All accounts with their keys, by id.
    pub fn entries(&self) -> &[AccountEntry] {
        &self.entries
    }

    /// The account with this id, and its keys.
    pub fn account(&self, id: &CanonicalId) -> Option<&AccountEntry> {
        self.entries.get(*self.by_id.get(id)?)
    }

    /// The key with this id, and whose it is.
    pub fn key(&self, id: &AccessKeyId) -> Option<(&Account, &IssuedKey)> {
        let (at, place) = self.by_key.get(id)?;
        let entry = self.entries.get(*at)?;
        Some((&entry.account, entry.keys.get(*place)?))
    }
}

impl Accounts {
    /// The accounts that `meta` leads to.
    pub fn new(meta: MetaClient) -> Self {
        Self { meta }
    }

    /// Everybody there is now: a linearizable read.
    ///
    /// # Errors
    /// No answer.
    pub async fn fetch(&self) -> Result<Identities, QueryError> {
        let fetched = fetch(&self.meta, NOTHING).await?;
        fetched.ok_or_else(QueryError::unexpected_view)
    }

    /// Changes an account or a key.
    ///
    /// # Errors
    /// `Refused` with `Refusal::Account`, or as `MetaClient::mutate`.
    pub async fn change(&self, change: AccountMutation) -> Result<(), MutateError> {
        let change = RootMutation::Account(change);
        self.meta.change_root(change).await.map(drop)
    }
}

/// Everybody, as this process heard of them last. Cloning shares it.
#[derive(Clone)]
pub struct IdentityCache {
    shared: Arc<Shared>,
}

struct Shared {
    meta: MetaClient,
    current: ArcSwap<Heard>,
    /// How often the root group was begun to be asked.
    begun: AtomicU64,
    /// Held while the root group is asked, so that many who miss the same thing ask once.
    last: tokio::sync::Mutex<Option<Asked>>,
}

/// What the root group said, and when it was asked on the monotonic clock; never: `None`.
struct Heard {
    identities: Arc<Identities>,
    asked: Option<Duration>,
}

/// How asking the root group ended.
struct Asked {
    /// Which ask it was: 1, 2, …
    number: u64,
    begun: Duration,
    outcome: Result<Arc<Identities>, QueryError>,
}

impl IdentityCache {
    /// Knows nobody yet.
    pub fn new(meta: MetaClient) -> Self {
        Self {
            shared: Arc::new(Shared {
                meta,
                current: ArcSwap::from_pointee(Heard {
                    identities: Arc::new(Identities::new(NOTHING, Vec::new())),
                    asked: None,
                }),
                begun: AtomicU64::new(0),
                last: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Keeps it up to date from now on.
    pub fn watch(&self, tasks: &Tasks) {
        let cache = self.clone();
        tasks.spawn_essential("watch identities", async move {
            loop {
                // Who needs to know them asks for himself, and says what is wrong.
                if let Err(error) = cache.refresh().await {
                    tracing::debug!(%error, "identities not refreshed");
                }
                tokio::time::sleep(POLL).await;
            }
        });
    }

    /// Everybody, if that was so two seconds ago or later. Does not wait.
    pub fn fresh(&self) -> Option<Arc<Identities>> {
        let heard = self.shared.current.load();
        let age = self.now().saturating_sub(heard.asked?);
        (age <= LEASE).then(|| Arc::clone(&heard.identities))
    }

    /// Everybody, however long ago that was so: for names, never for who may do what. Does not wait.
    pub fn last_known(&self) -> Arc<Identities> {
        Arc::clone(&self.shared.current.load().identities)
    }

    /// What the root group says now: the outcome of an ask that began after this call. All who wait share one, and there are
    /// at most five in a second, so nobody waits longer than two asks and a fifth of a second take. Cancel safe.
    ///
    /// # Errors
    /// When the root group does not answer.
    pub async fn refresh(&self) -> Result<Arc<Identities>, QueryError> {
        let shared = &self.shared;
        let begun_before = shared.begun.load(Ordering::SeqCst);
        let mut last = shared.last.lock().await;
        if let Some(asked) = &*last {
            if asked.number > begun_before {
                return asked.outcome.clone();
            }
            let passed = self.now().saturating_sub(asked.begun);
            tokio::time::sleep(PACE.saturating_sub(passed)).await;
        }
        let number = shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let begun = self.now();
        let outcome = self.renew(begun).await;
        *last = Some(Asked {
            number,
            begun,
            outcome: outcome.clone(),
        });
        outcome
    }

    async fn renew(&self, asked: Duration) -> Result<Arc<Identities>, QueryError> {
        let shared = &self.shared;
        let known = self.last_known();
        let identities = match fetch(&shared.meta, known.epoch()).await? {
            Some(identities) => Arc::new(identities),
            None => known,
        };
        shared.current.store(Arc::new(Heard {
            identities: Arc::clone(&identities),
            // When the answer was on its way, somebody may have changed it: what counts is when it was asked for.
            asked: Some(asked),
        }));
        Ok(identities)
    }

    fn now(&self) -> Duration {
        self.shared.meta.clock().monotonic()
    }
}

impl std::fmt::Debug for IdentityCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "identities at {:?}", self.last_known().epoch())
    }
}

/// Everybody, out of pages of one epoch; `None` where `known` is the newest.
async fn fetch(meta: &MetaClient, known: Epoch) -> Result<Option<Identities>, QueryError> {
    for _ in 0..ROUNDS {
        let Some(first) = page(meta, known, None).await? else {
            return Ok(None);
        };
        let epoch = first.epoch;
        let (mut entries, mut truncated) = (first.entries, first.truncated);
        while truncated {
            let after = entries.last().map(|entry| entry.account.id.clone());
            let next = page(meta, NOTHING, after).await?;
            let next = next.ok_or_else(QueryError::unexpected_view)?;
            if next.epoch != epoch {
                break;
            }
            entries.extend(next.entries);
            truncated = next.truncated;
        }
        // Otherwise somebody changed them meanwhile.
        if !truncated {
            return Ok(Some(Identities::new(epoch, entries)));
        }
    }
    Err(QueryError::Unavailable {
        group: GroupId::ROOT,
        reason: "the accounts change all the time".to_owned(),
    })
}

async fn page(
    meta: &MetaClient,
    known: Epoch,
    after: Option<CanonicalId>,
) -> Result<Option<IdentityPage>, QueryError> {
    let query = RootQuery::Identities {
        known,
        after,
        limit: PAGE,
    };
    match meta.ask_root(query).await?.value {
        RootView::Identities(page) => Ok(page),
        _ => Err(QueryError::unexpected_view()),
    }
}
