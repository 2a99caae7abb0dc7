//! A disk that loses its power at any point of what it does.

use std::path::Path;
use std::sync::Arc;

use cairn_storage::disk::Disk;
use cairn_storage::disk::simulated::{Faults, SimulatedDisk};
use cairn_storage::shards::{ReadError, WriteError};
use cairn_types::id::Epoch;
use proptest::prelude::*;

use crate::shard::{TestShard, blob};
use crate::store::{GRACE, Store, copy_dir};

#[derive(Debug, Clone)]
enum Step {
    Write {
        number: u32,
        lens: Vec<usize>,
    },
    Together(Vec<(u32, usize)>),
    Break {
        number: u32,
        cells: usize,
    },
    Remove(u32),
    Collect,
    /// The index as it is now is what the machine finds later, if its log was not on the disk yet.
    KeepIndex,
}

fn lens() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..300_usize, 60_000..140_000_usize], 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..12_u32;
    prop_oneof![
        4 => (number.clone(), lens()).prop_map(|(number, lens)| Step::Write { number, lens }),
        2 => prop::collection::vec((0..12_u32, 1..5000_usize), 2..5).prop_map(Step::Together),
        1 => (number.clone(), 1..3_usize).prop_map(|(number, cells)| Step::Break { number, cells }),
        2 => number.prop_map(Step::Remove),
        1 => Just(Step::Collect),
        1 => Just(Step::KeepIndex),
    ]
}

/// What is known of a blob by whoever was answered.
#[derive(Debug, Clone, Default)]
struct Expected {
    /// Acknowledged and not removed: must be there.
    written: Option<TestShard>,
    /// Asked for and not answered: may be there, whole.
    maybe: Vec<TestShard>,
    /// A removal was asked for and not answered.
    maybe_removed: bool,
}

type Model = std::collections::BTreeMap<u32, Expected>;

/// Carries the steps out until one is not answered; what may be on the disk then.
async fn run(store: &Store, steps: &[Step], index_dir: &Path, kept_dir: &Path) -> Model {
    let mut model = Model::new();
    for step in steps {
        let goes_on = match step {
            Step::Write { number, lens } => {
                let shard = TestShard::new(blob(*number), 0, lens);
                let answer = store.write(&shard).await;
                note_write(&mut model, *number, shard, &answer)
            }
            Step::Together(all) => {
                let shards: Vec<(u32, TestShard)> = all
                    .iter()
                    .map(|(number, len)| (*number, TestShard::new(blob(*number), 0, &[*len])))
                    .collect();
                let writes = shards.iter().map(|(_, shard)| store.write(shard));
                let answers = futures::future::join_all(writes).await;
                let mut goes_on = true;
                for ((number, shard), answer) in shards.into_iter().zip(answers) {
                    goes_on &= note_write(&mut model, number, shard, &answer);
                }
                goes_on
            }
            Step::Break { number, cells } => break_off(store, *number, *cells).await,
            Step::Remove(number) => {
                let answer = store.shards.remove(vec![blob(*number)]).await;
                let expected = model.entry(*number).or_default();
                match answer {
                    Ok(()) => *expected = Expected::default(),
                    Err(_) => expected.maybe_removed = true,
                }
                answer.is_ok()
            }
            Step::Collect => {
                store.clock.advance(GRACE);
                store.shards.collect().await.is_ok()
            }
            Step::KeepIndex => {
                if kept_dir.exists() {
                    std::fs::remove_dir_all(kept_dir).unwrap();
                }
                copy_dir(index_dir, kept_dir);
                true
            }
        };
        if !goes_on {
            break;
        }
    }
    model
}

fn note_write(
    model: &mut Model,
    number: u32,
    shard: TestShard,
    answer: &Result<[u8; 16], WriteError>,
) -> bool {
    let expected = model.entry(number).or_default();
    match answer {
        Ok(root) => {
            assert_eq!(*root, shard.root());
            expected.written = Some(shard);
            true
        }
        Err(WriteError::Conflict(_)) => true,
        Err(_) => {
            expected.maybe.push(shard);
            false
        }
    }
}

async fn break_off(store: &Store, number: u32, cells: usize) -> bool {
    let shard = TestShard::new(blob(number), 0, &vec![70_000; cells]);
    let Ok(mut writer) = store.shards.begin(shard.blob, 0, Epoch::new(1)) else {
        return false;
    };
    for (stripe, cell) in (0..).zip(&shard.cells) {
        if writer
            .cell(stripe, cell.clone(), shard.hashes(stripe))
            .await
            .is_err()
        {
            return false;
        }
    }
    true
}

async fn check(store: &Store, model: &Model) {
    let list = store.list().await;
    for (number, expected) in model {
        let listed = list.iter().find(|one| one.blob == blob(*number));
        let there = listed.filter(|one| !one.removed);
        let allowed: Vec<&TestShard> = expected.written.iter().chain(&expected.maybe).collect();
        if let Some(there) = there {
            let whole = allowed.iter().find(|shard| shard.root() == there.root);
            let whole = whole.unwrap_or_else(|| panic!("blob {number} came back from the dead"));
            assert!(store.has(whole).await, "blob {number} is not whole");
        } else {
            let must_be = expected.written.is_some() && !expected.maybe_removed;
            assert!(!must_be, "blob {number} was acknowledged and is lost");
        }
        if listed.is_none() {
            let read = store.read(blob(*number), 0, 0).await;
            assert_eq!(read, Err(ReadError::Missing));
        }
    }
}

/// Which index the machine finds after the crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    Whole,
    Older,
    Lost,
}

fn simulate(steps: &[Step], power_off_after: u64, index: Index, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(home.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    disk.set_faults(Faults {
        power_off_after: Some(disk.mutations() + power_off_after),
        ..Faults::default()
    });
    let dir = |name: &str| home.path().join(name);
    let model = runtime.block_on(run(&store, steps, &dir("index"), &dir("older")));
    store.shards.close();
    drop(store);
    let index_dir = match index {
        Index::Whole => dir("index"),
        Index::Older => dir("older"),
        Index::Lost => dir("lost"),
    };
    let mut state = seed | 1;
    let chance = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let found = Arc::new(disk.power_cut(index_dir, chance));
    let store = Store::open(found.clone());
    runtime.block_on(check(&store, &model));
    // And it goes on from there, and stays so.
    let more = TestShard::new(blob(77), 0, &[100_000, 5]);
    assert_eq!(runtime.block_on(store.write(&more)), Ok(more.root()));
    store.clock.advance(GRACE);
    runtime.block_on(store.collect_all());
    store.close();
    let again = found.power_cut(dir("again"), |_| 0);
    let store = Store::open(Arc::new(again));
    runtime.block_on(check(&store, &model));
    assert!(runtime.block_on(store.has(&more)));
    store.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn after_a_power_cut_what_was_acknowledged_is_there_and_the_rest_is_whole_or_absent(
        steps in prop::collection::vec(step(), 1..25),
        power_off_after in 0..120_u64,
        index in prop::sample::select(vec![Index::Whole, Index::Older, Index::Lost]),
        seed in any::<u64>(),
    ) {
        simulate(&steps, power_off_after, index, seed);
    }
}

#[tokio::test]
async fn a_sync_that_fails_takes_the_disk_out_of_service_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    let kept = TestShard::new(blob(1), 0, &[10]);
    store.write(&kept).await.unwrap();
    disk.set_faults(Faults {
        sync_fails: true,
        ..Faults::default()
    });
    let failed = TestShard::new(blob(2), 0, &[10]);
    let answer = store.write(&failed).await;
    assert!(
        matches!(answer, Err(WriteError::OutOfService(_))),
        "{answer:?}"
    );
    disk.set_faults(Faults::default());
    assert!(matches!(
        store.write(&failed).await,
        Err(WriteError::OutOfService(_))
    ));
    assert!(matches!(
        store.read(blob(1), 0, 0).await,
        Err(ReadError::OutOfService(_))
    ));
    assert!(store.shards.outage().unwrap().contains("sync a segment"));
    let text = store.metrics.render();
    assert!(
        text.lines()
            .any(|line| line.starts_with("cairn_disk_in_service{") && line.ends_with(" 0"))
    );
    store.close();
}

#[tokio::test]
async fn one_bad_place_is_damage_and_many_take_the_disk_out_of_service() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    for number in 0..20 {
        let shard = TestShard::new(blob(number), 0, &[1 << 20]);
        store.write(&shard).await.unwrap();
    }
    disk.set_faults(Faults {
        read_fails: true,
        ..Faults::default()
    });
    for _ in 0..50 {
        let first = store.read(blob(1), 0, 0).await;
        assert_eq!(first, Err(ReadError::Damaged { stripe: 0 }));
    }
    // What failed long ago counts no more.
    for number in 2..16 {
        assert!(store.read(blob(number), 0, 0).await.is_err());
    }
    store.clock.advance(std::time::Duration::from_secs(61));
    assert!(store.read(blob(16), 0, 0).await.is_err());
    assert_eq!(store.shards.outage(), None);
    for number in 0..20 {
        assert!(store.read(blob(number), 0, 0).await.is_err());
    }
    assert!(store.shards.outage().is_some());
    store.close();
}

#[tokio::test]
async fn a_process_that_can_open_no_more_files_loses_no_disk() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    let shards: Vec<TestShard> = (0..40)
        .map(|number| TestShard::new(blob(number), 0, &[1 << 20]))
        .collect();
    for shard in &shards {
        store.write(shard).await.unwrap();
    }
    let removed = shards[..30].iter().map(|shard| shard.blob).collect();
    store.shards.remove(removed).await.unwrap();
    store.clock.advance(GRACE);
    disk.set_faults(Faults {
        has_no_files: true,
        ..Faults::default()
    });
    for shard in &shards {
        let read = store.read(shard.blob, 0, 0).await;
        assert!(matches!(read, Err(ReadError::OutOfService(_))), "{read:?}");
    }
    assert!(store.shards.collect().await.is_err());
    // Some still find room in a segment that is open.
    let more = TestShard::new(blob(99), 0, &[1 << 20; 9]);
    let written = store.write(&more).await;
    assert!(
        matches!(written, Err(WriteError::OutOfService(_))),
        "{written:?}"
    );
    assert_eq!(store.shards.outage(), None);
    disk.set_faults(Faults::default());
    store.collect_all().await;
    assert_eq!(store.write(&more).await, Ok(more.root()));
    for shard in &shards[30..] {
        assert!(store.has(shard).await);
    }
    assert_eq!(store.shards.outage(), None);
    store.close();
}

#[tokio::test]
async fn a_segment_is_forgotten_when_it_went_before_and_that_could_not_be_told() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    // All that is in the first segment is given back, and then it is closed because no more fits.
    for number in 0..7 {
        let shard = TestShard::new(blob(number), 0, &[1 << 20]);
        store.write(&shard).await.unwrap();
    }
    store
        .shards
        .remove((0..7).map(blob).collect())
        .await
        .unwrap();
    store.clock.advance(GRACE);
    store.collect_all().await;
    let kept = TestShard::new(blob(8), 0, &[1 << 20]);
    store.write(&kept).await.unwrap();
    assert_eq!(disk.segments().unwrap(), [1, 2]);
    disk.set_faults(Faults {
        has_no_files: true,
        ..Faults::default()
    });
    assert!(store.shards.collect().await.is_err());
    disk.set_faults(Faults::default());
    assert_eq!(disk.segments().unwrap(), [2]);
    store.collect_all().await;
    assert_eq!(store.shards.outage(), None);
    assert!(store.has(&kept).await);
    store.close();
}

#[tokio::test]
async fn a_bad_place_does_not_keep_other_space_from_being_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    let shards: Vec<TestShard> = (0..3)
        .map(|number| TestShard::new(blob(number), 0, &[100_000]))
        .collect();
    for shard in &shards {
        store.write(shard).await.unwrap();
    }
    disk.set_faults(Faults {
        bad_block: Some((1, 0)),
        ..Faults::default()
    });
    store.shards.remove(vec![blob(0), blob(1)]).await.unwrap();
    store.clock.advance(GRACE);
    store.collect_all().await;
    assert_eq!(store.shards.outage(), None);
    assert_eq!(store.read(blob(1), 0, 0).await, Err(ReadError::Missing));
    assert_eq!(store.shards.status().await.unwrap().totals.doomed_bytes, 0);
    assert!(store.has(&shards[2]).await);
    store.close();
}

#[tokio::test]
async fn an_index_is_made_anew_in_spite_of_a_bad_place() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    let shards: Vec<TestShard> = (0..12)
        .map(|number| TestShard::new(blob(number), 0, &[1 << 20]))
        .collect();
    for shard in &shards {
        store.write(shard).await.unwrap();
    }
    store.close();
    let found = Arc::new(disk.power_cut(dir.path().join("anew"), |_| 1));
    found.set_faults(Faults {
        bad_block: Some((1, 0)),
        ..Faults::default()
    });
    let store = Store::open(found.clone());
    for shard in &shards[1..] {
        assert!(store.has(shard).await);
    }
    assert_eq!(store.list().await.len(), 11);
    store.close();
    // At the end of what is written, a place that cannot be read may hide what was acknowledged.
    let last = found.segments().unwrap().pop().unwrap();
    let found = Arc::new(found.power_cut(dir.path().join("again"), |_| 1));
    found.set_faults(Faults {
        bad_block: Some((last, 0)),
        ..Faults::default()
    });
    assert!(Store::try_open(found).is_err());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_still_reads_and_removes() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 64 << 20));
    let store = Store::open(disk.clone());
    let mut written = Vec::new();
    for number in 0.. {
        let shard = TestShard::new(blob(number), 0, &[1 << 20, 1 << 20]);
        match store.write(&shard).await {
            Ok(_) => written.push(shard),
            Err(error) => {
                assert_eq!(error, WriteError::Full);
                break;
            }
        }
    }
    assert!(written.len() >= 16);
    for shard in &written {
        assert!(store.has(shard).await);
    }
    store.shards.remove(vec![written[0].blob]).await.unwrap();
    assert_eq!(store.shards.outage(), None);
    // The grace shrinks with the room that is left; the simulated disk gives no space back but with whole segments.
    let all = written.iter().map(|shard| shard.blob).collect();
    store.shards.remove(all).await.unwrap();
    store.clock.advance(GRACE);
    store.collect_all().await;
    store.write(&written[0]).await.unwrap();
    store.close();
}

#[tokio::test]
async fn a_full_disk_says_so_at_once_and_stays_in_service_whatever_is_asked_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 64 << 20));
    let store = Store::open(disk.clone());
    let shard = TestShard::new(blob(1), 0, &[1 << 20]);
    store.write(&shard).await.unwrap();
    store.shards.remove(vec![blob(1)]).await.unwrap();
    store.clock.advance(GRACE);
    disk.set_faults(Faults {
        is_full: true,
        ..Faults::default()
    });
    // There is no room to mark it as dead; that is tried again.
    assert_eq!(store.shards.collect().await, Ok(0));
    let group = blob(1).placement_group();
    let advance = || store.shards.advance_epoch(group, Epoch::new(5));
    assert_eq!(advance().await, Err(WriteError::Full));
    assert_eq!(store.shards.outage(), None);
    disk.set_faults(Faults::default());
    advance().await.unwrap();
    store.collect_all().await;
    assert_eq!(store.read(blob(1), 0, 0).await, Err(ReadError::Missing));
    store.close();
}

#[tokio::test]
async fn a_write_to_a_full_disk_is_refused_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    // Less than what is kept for removals and the index.
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 8 << 20));
    let store = Store::open(disk);
    let refused = store.shards.begin(blob(1), 0, Epoch::new(1)).err();
    assert_eq!(refused, Some(WriteError::Full));
    store.shards.remove(vec![blob(1)]).await.unwrap();
    store.close();
}

#[tokio::test]
async fn a_writer_hears_of_a_cell_that_could_not_be_written_before_it_has_sent_all() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 24 << 20));
    let store = Store::open(disk);
    let cells = 64;
    let shard = TestShard::new(blob(1), 0, &vec![1 << 20; cells]);
    let mut writer = store.shards.begin(shard.blob, 0, Epoch::new(1)).unwrap();
    let mut answer = Ok(());
    for (stripe, cell) in (0..).zip(&shard.cells) {
        answer = writer
            .cell(stripe, cell.clone(), shard.hashes(stripe))
            .await;
        if answer.is_err() {
            break;
        }
    }
    assert_eq!(answer, Err(WriteError::Full));
    drop(writer);
    store.close();
}

#[tokio::test]
async fn a_writer_that_panics_takes_the_disk_out_of_service() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk.clone());
    disk.set_faults(Faults {
        write_panics: true,
        ..Faults::default()
    });
    let shard = TestShard::new(blob(1), 0, &[100]);
    let answer = store.write(&shard).await;
    assert!(matches!(answer, Err(WriteError::OutOfService(_))));
    let is_out = async {
        while store.shards.outage().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let is_out = tokio::time::timeout(std::time::Duration::from_secs(10), is_out);
    is_out.await.expect("the disk goes out of service");
    assert!(store.shards.outage().unwrap().contains("panicked"));
    store.close();
}

#[tokio::test]
async fn cells_that_were_damaged_on_the_way_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimulatedDisk::new(dir.path().join("index"), 1 << 30));
    let store = Store::open(disk);
    let shard = TestShard::new(blob(1), 0, &[100]);
    let begin = || store.shards.begin(blob(1), 0, Epoch::new(1)).unwrap();
    let flipped: Vec<u8> = shard.cells[0].iter().map(|byte| byte ^ 1).collect();
    let answer = begin().cell(0, flipped.into(), shard.hashes(0)).await;
    assert!(matches!(answer, Err(WriteError::Damaged { .. })));
    let answer = begin()
        .cell(1, shard.cells[0].clone(), shard.hashes(0))
        .await;
    assert!(matches!(answer, Err(WriteError::Shape(_))));
    assert!(matches!(begin().finish().await, Err(WriteError::Shape(_))));
    store.close();
}
