//! Lost and damaged disks: what redundancy covers is read bit for bit, and what it does not is an error, never wrong bytes.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_dev_tests::client::S3;
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::server::Server;
use cairn_dev_tests::wait::until;

use crate::fixture::{
    BUCKET, KIB, MIB, Specimen, check_all, in_batches, runtime, six_disks, specimens, write_all,
};

/// What the log says when lost replicas of the metadata are replaced.
const REPLACED: &str = "the replicas of the metadata are whole";
const END_DEADLINE: Duration = Duration::from_secs(20);
/// Objects up to this length are kept with their metadata.
const INLINE_BYTES: u64 = 16 * KIB;
/// Below this a file is a label or a lock, not a segment.
const SEGMENT_MIN_BYTES: u64 = 64 * KIB;

#[test]
fn with_two_of_six_directories_gone_everything_is_read_bit_for_bit() {
    // The first five directories hold the metadata, too.
    for lost in [[4, 5], [0, 1], [2, 3]] {
        let (_scratch, options) = six_disks("lost");
        let (runtime, specimens) = (runtime(), specimens());
        let server = Server::start(&options);
        runtime.block_on(write_all(&server.client(), &specimens));
        assert!(server.terminate(END_DEADLINE).success());
        for at in lost {
            fs::remove_dir_all(&options.disks[at]).unwrap();
        }
        let server = Server::start(&options);
        runtime.block_on(check_all(&server.client(), &specimens));
        let degraded = server
            .scrape()
            .sum("cairn_engine_degraded_reads_total", &[]);
        assert!(degraded > 0.0, "nothing of what was read was missing");
        // And it is a server like any other: it takes writes.
        let put = server.client();
        let put = runtime.block_on(put.put(BUCKET, "new", vec![1; 300_000].into()));
        assert_eq!(put.unwrap().status, 200);
    }
}

#[test]
fn with_two_of_six_directories_damaged_everything_is_read_bit_for_bit() {
    let mut dice = Dice::of_this_run("damage at rest");
    let (_scratch, options) = six_disks("damaged");
    let (runtime, specimens) = (runtime(), specimens());
    let server = Server::start(&options);
    runtime.block_on(write_all(&server.client(), &specimens));
    assert!(server.terminate(END_DEADLINE).success());
    let flipped = flip_throughout(&options.disks[2..4], 8 * KIB, &mut dice);
    assert!(flipped > 1_000, "only {flipped} bytes were damaged");
    let server = Server::start(&options);
    runtime.block_on(check_all(&server.client(), &specimens));
    let found = server.scrape().sum("cairn_disk_damaged_cells_total", &[]);
    assert!(found > 0.0, "nothing of what was read was damaged");
    // Again, now that reading has had its chance to repair.
    runtime.block_on(check_all(&server.client(), &specimens));
}

#[test]
fn with_two_of_five_replicas_of_the_metadata_damaged_they_are_made_anew() {
    let (_scratch, options) = six_disks("damaged-metadata");
    let (runtime, specimens) = (runtime(), specimens());
    let mut server = Server::start(&options);
    runtime.block_on(write_all(&server.client(), &specimens));
    // Twice: the second time the new ones are needed.
    for (times, damaged) in [(1, [0, 1]), (2, [2, 3])] {
        assert!(server.terminate(END_DEADLINE).success());
        for at in damaged {
            overwrite_metadata(&options.disks[at].join("meta/db"));
        }
        server = Server::start(&options);
        runtime.block_on(check_all(&server.client(), &specimens));
        let is_whole = || server.log().matches(REPLACED).count() == times;
        assert!(until(END_DEADLINE, is_whole), "{}", server.log());
        for at in damaged {
            assert!(options.disks[at].join("meta.damaged-1").exists());
        }
    }
}

/// Overwrites the middle of every file of a database.
fn overwrite_metadata(database: &Path) {
    for entry in fs::read_dir(database).unwrap() {
        let path = entry.unwrap().path();
        let len = path.metadata().unwrap().len();
        if len > 0 {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            let noise = vec![0xa5; usize::try_from(len.div_ceil(2)).unwrap()];
            file.write_all_at(&noise, len / 4).unwrap();
        }
    }
}

#[test]
fn damage_under_a_running_server_is_never_served() {
    let mut dice = Dice::of_this_run("damage while running");
    let (_scratch, options) = six_disks("damaged-live");
    let (runtime, specimens) = (runtime(), specimens());
    let server = Server::start(&options);
    runtime.block_on(write_all(&server.client(), &specimens));
    for pair in [[3, 4], [3, 4]] {
        let disks = pair.map(|at: usize| options.disks[at].clone());
        let client = server.client();
        // Readers run while the bytes change under them.
        let reading = runtime.spawn({
            let specimens = specimens.clone();
            async move { check_all(&client, &specimens).await }
        });
        let flipped = flip_throughout(&disks, 8 * KIB, &mut dice);
        assert!(flipped > 1_000, "only {flipped} bytes were damaged");
        runtime.block_on(reading).unwrap();
        runtime.block_on(check_all(&server.client(), &specimens));
    }
    assert_stands(&server);
}

/// Asserts that a server has taken the damage to its disks as what it is: it is ready, and never panicked.
#[track_caller]
fn assert_stands(server: &Server) {
    assert!(server.is_ready());
    let log = server.log();
    let panics: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("panicked"))
        .collect();
    assert_eq!(panics, Vec::<&str>::new());
}

#[test]
fn damage_in_every_directory_gives_errors_and_no_wrong_bytes() {
    let mut dice = Dice::of_this_run("damage everywhere");
    let (_scratch, options) = six_disks("damaged-all");
    let (runtime, specimens) = (runtime(), specimens());
    let server = Server::start(&options);
    runtime.block_on(write_all(&server.client(), &specimens));
    assert!(server.terminate(END_DEADLINE).success());
    let flipped = flip_throughout(&options.disks, 256 * KIB, &mut dice);
    assert!(flipped > 300, "only {flipped} bytes were damaged");
    let server = Server::start(&options);
    let client = server.client();
    runtime.block_on(exact_or_failed(&client, &specimens));
    assert_stands(&server);
}

#[test]
fn with_three_of_six_directories_gone_no_object_is_called_absent() {
    let (_scratch, options) = six_disks("too-many-lost");
    let (runtime, specimens) = (runtime(), specimens());
    let server = Server::start(&options);
    runtime.block_on(write_all(&server.client(), &specimens));
    assert!(server.terminate(END_DEADLINE).success());
    for at in 3..6 {
        fs::remove_dir_all(&options.disks[at]).unwrap();
    }
    let server = Server::start(&options);
    let client = server.client();
    runtime.block_on(exact_or_failed(&client, &specimens));
    let mut keys: Vec<String> = specimens.iter().map(|one| one.key.clone()).collect();
    keys.sort();
    let listed = runtime.block_on(client.list_keys(BUCKET));
    assert_eq!(listed, Some(keys));
    assert_stands(&server);
}

/// Reads everything: exact bytes, or an answer of the server or connection that says that they cannot be had. What is kept
/// with its metadata is no matter of disks.
async fn exact_or_failed(client: &S3, specimens: &[Specimen]) {
    in_batches(specimens, |specimen| {
        let client = client.clone();
        async move {
            let key = &specimen.key;
            let is_inline = specimen.pattern.len_bytes() <= INLINE_BYTES;
            // A body that breaks off is an error that a client sees.
            let answer = match client.get(BUCKET, key).await {
                Ok(answer) => answer,
                Err(error) if is_inline => panic!("{key}: {error}"),
                Err(_) => return,
            };
            match answer.status {
                200 => {
                    assert_eq!(
                        answer.body.len() as u64,
                        specimen.pattern.len_bytes(),
                        "{key}"
                    );
                    assert_eq!(specimen.pattern.check(0, &answer.body), Ok(()), "{key}");
                }
                500 | 503 if !is_inline => {}
                other => panic!("{key}: {other} {}", answer.text()),
            }
        }
    })
    .await;
}

/// Changes one random byte in each stretch of every segment file under these directories; gives how many.
fn flip_throughout(disks: &[PathBuf], stretch: u64, dice: &mut Dice) -> u64 {
    let mut flipped = 0;
    for disk in disks {
        for segment in segments(disk) {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&segment)
                .unwrap();
            flipped += flip_file(&file, stretch, dice);
        }
    }
    flipped
}

fn flip_file(file: &File, stretch: u64, dice: &mut Dice) -> u64 {
    let (len, mut flipped, mut start) = (file.metadata().unwrap().len(), 0, 0);
    while start + stretch <= len {
        let offset = start + dice.below(stretch);
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        // Zeros are room that was reserved, or a hole: there is nothing to damage.
        if byte[0] != 0 {
            byte[0] ^= 1 << dice.below(8);
            file.write_all_at(&byte, offset).unwrap();
            flipped += 1;
        }
        start += stretch;
    }
    flipped
}

/// The segment files of a disk: all large files but those of RocksDB.
fn segments(disk: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![disk.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let entries: Vec<PathBuf> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let is_rocksdb = entries.iter().any(|path| path.ends_with("CURRENT"));
        for path in entries {
            if path.is_dir() {
                directories.push(path);
            } else if !is_rocksdb && path.metadata().unwrap().len() >= SEGMENT_MIN_BYTES {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no segments under {}", disk.display());
    found
}

#[test]
fn a_flip_changes_single_bytes_and_spares_reserved_room() {
    let scratch = cairn_dev_tests::scratch::Scratch::new("flip");
    let path = scratch.path().join("segment");
    let mut content = vec![7; usize::try_from(MIB).unwrap()];
    content.extend(vec![0; usize::try_from(MIB).unwrap()]);
    fs::write(&path, &content).unwrap();
    let mut dice = Dice::of_this_run("flip");
    let flipped = flip_throughout(&[scratch.path().to_path_buf()], 8 * KIB, &mut dice);
    assert_eq!(flipped, MIB / (8 * KIB));
    let damaged = fs::read(&path).unwrap();
    let different = content
        .iter()
        .zip(&damaged)
        .filter(|(left, right)| left != right);
    assert_eq!(different.count() as u64, flipped);
}
