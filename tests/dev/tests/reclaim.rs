//! What is deleted, overwritten or aborted gives its room on the disks back.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::S3;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::server::{Options, Server};
use cairn_dev_tests::wait;
use tokio::runtime::Runtime;

use crate::fixture::{BUCKET, KIB, MIB, runtime, six_disks};

const OBJECTS: u64 = 24;
const LARGE_BYTES: u64 = 12 * MIB;
/// Enough for the read grace set below, collecting and punching, on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

struct Setup {
    runtime: Runtime,
    client: S3,
    options: Options,
    // Dropped after the client: first the server, then its directories.
    server: Server,
    _scratch: cairn_dev_tests::scratch::Scratch,
}

fn setup(label: &str) -> Setup {
    let (scratch, options) = six_disks(label);
    let options = options.env("CAIRN_STORAGE_READ_GRACE_MS", "500");
    let server = Server::start(&options);
    let (runtime, client) = (runtime(), server.client());
    let created = runtime.block_on(client.create_bucket(BUCKET)).unwrap();
    assert_eq!(created.status, 200);
    Setup {
        runtime,
        client,
        options,
        server,
        _scratch: scratch,
    }
}

impl Setup {
    fn put(&self, key: &str, len: u64) {
        let body = Pattern::of(key, 0, len).bytes();
        let put = self
            .runtime
            .block_on(self.client.put(BUCKET, key, body))
            .unwrap();
        assert_eq!(put.status, 200, "{}", put.text());
    }

    fn check(&self, key: &str, len: u64) {
        let get = self.runtime.block_on(self.client.get(BUCKET, key)).unwrap();
        assert_eq!(get.status, 200, "{key}");
        assert_eq!(get.body.len() as u64, len);
        assert_eq!(
            Pattern::of(key, 0, len).check(0, &get.body),
            Ok(()),
            "{key}"
        );
    }

    fn delete(&self, key: &str) {
        let delete = self
            .runtime
            .block_on(self.client.delete(BUCKET, key))
            .unwrap();
        assert_eq!(delete.status, 204);
    }

    /// Bytes that the directories occupy, as `du` counts: holes do not.
    fn used(&self) -> u64 {
        self.options.disks.iter().map(|disk| used(disk)).sum()
    }

    /// Waits until at least four fifths of `written` are free again: segments keep some room that they have reserved.
    #[track_caller]
    fn assert_reclaimed(&self, full: u64, written: u64) {
        let limit = full - written * 4 / 5;
        let reclaimed = wait::until(DEADLINE, || self.used() <= limit);
        let used = self.used() / MIB;
        assert!(
            reclaimed,
            "{used} MiB are still used, of {} MiB",
            full / MIB
        );
        assert_eq!(self.server.complaints(), Vec::<String>::new());
    }
}

pub(crate) fn used(path: &Path) -> u64 {
    // A file may be gone between listing and asking: RocksDB compacts.
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return own;
    }
    let Ok(entries) = fs::read_dir(path) else {
        return own;
    };
    let entries = entries.filter_map(Result::ok);
    own + entries.map(|entry| used(&entry.path())).sum::<u64>()
}

/// What the directories need for `plain` bytes of objects at 4+2.
fn on_disk(plain: u64) -> u64 {
    plain * 6 / 4
}

#[test]
fn deleted_objects_give_their_room_back() {
    let setup = setup("reclaim-delete");
    let empty = setup.used();
    for number in 0..OBJECTS {
        setup.put(&format!("{number}"), LARGE_BYTES);
    }
    setup.put("kept", LARGE_BYTES);
    let (full, written) = (setup.used(), on_disk(OBJECTS * LARGE_BYTES));
    assert!(
        full - empty >= written,
        "{full} bytes do not hold what was written"
    );
    for number in 0..OBJECTS {
        setup.delete(&format!("{number}"));
    }
    setup.assert_reclaimed(full, written);
    setup.check("kept", LARGE_BYTES);
}

#[test]
fn small_objects_deleted_among_others_give_their_room_back() {
    let setup = setup("reclaim-small");
    let (count, len) = (1_500, 128 * KIB);
    for number in 0..count {
        setup.put(&format!("{number}"), len);
    }
    let full = setup.used();
    // Every fourth stays, so that no segment becomes empty as a whole.
    let gone = (0..count).filter(|number| number % 4 != 0);
    for number in gone.clone() {
        setup.delete(&format!("{number}"));
    }
    let gone_bytes = on_disk(gone.count() as u64 * len);
    setup.assert_reclaimed(full, gone_bytes);
    for number in (0..count).step_by(4) {
        setup.check(&format!("{number}"), len);
    }
}

#[test]
fn overwritten_objects_give_their_room_back() {
    let setup = setup("reclaim-overwrite");
    for number in 0..OBJECTS {
        setup.put(&format!("{number}"), LARGE_BYTES);
    }
    let full = setup.used();
    for number in 0..OBJECTS {
        setup.put(&format!("{number}"), 10);
    }
    setup.assert_reclaimed(full, on_disk(OBJECTS * LARGE_BYTES));
    setup.check("0", 10);
}

#[test]
fn aborted_uploads_and_replaced_parts_give_their_room_back() {
    let setup = setup("reclaim-abort");
    let (runtime, client) = (&setup.runtime, &setup.client);
    let part = |number: u64| Pattern::of("part", number, LARGE_BYTES).bytes();
    let mut uploads = Vec::new();
    for number in 0..OBJECTS / 4 {
        // The first part of each is sent twice.
        let parts = [part(number), part(number + 100)];
        let key = format!("{number}");
        let upload = runtime.block_on(client.upload_parts(BUCKET, &key, &parts));
        let (upload, _) = upload.expect("upload two parts");
        let again = Request::key("PUT", BUCKET, &key)
            .query("partNumber", "1")
            .query("uploadId", &upload)
            .body(part(number + 200));
        assert_eq!(runtime.block_on(client.send(again)).unwrap().status, 200);
        uploads.push((key, upload));
    }
    let full = setup.used();
    for (key, upload) in uploads {
        let abort = Request::key("DELETE", BUCKET, &key).query("uploadId", upload);
        assert_eq!(runtime.block_on(client.send(abort)).unwrap().status, 204);
    }
    // Two parts of each were still there; the replaced one may have been collected before `full` was measured.
    setup.assert_reclaimed(full, on_disk(OBJECTS / 4 * 2 * LARGE_BYTES));
}

#[test]
fn a_reader_keeps_what_it_reads_though_it_is_deleted_and_collected() {
    let setup = setup("reclaim-reader");
    let len = 48 * MIB;
    setup.put("long", len);
    let full = setup.used();
    let (address, signer) = (setup.options.s3, setup.server.signer());
    let get = Request::key("GET", BUCKET, "long").signed(&signer, &address.to_string());
    let mut wire = cairn_dev_tests::wire::Wire::connect(address);
    wire.send(&get.head());
    let head = wire.read_head().unwrap();
    assert_eq!(head.status, 200);
    setup.delete("long");
    // More than the grace, and more than a collector's turn: others are collected meanwhile.
    setup.put("other", LARGE_BYTES);
    setup.delete("other");
    // The pause is what is tested: a reader that is slower than the grace.
    std::thread::sleep(Duration::from_secs(3));
    let body = wire.read_rest("GET", head).unwrap().body;
    assert_eq!(body.len() as u64, len);
    assert_eq!(Pattern::of("long", 0, len).check(0, &body), Ok(()));
    drop(wire);
    setup.assert_reclaimed(full, on_disk(len));
}
