//! The role over gRPC.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use cairn_rpc::bytes::from_u128;
use cairn_rpc::channel::in_process;
use cairn_rpc::proto::storage as proto;
use cairn_rpc::proto::storage::storage_client::StorageClient;
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_storage::epochs::EpochTable;
use cairn_storage::{OpenError, Storage, StorageConfig};
use cairn_types::id::{ClusterId, NodeId};
use tonic::Code;
use tonic::transport::Channel;

use crate::shard::{TestShard, blob};

struct Node {
    storage: Storage,
    client: StorageClient<Channel>,
    tasks: Tasks,
}

fn open(
    paths: Vec<PathBuf>,
    node: u64,
    cluster: u128,
    tasks: &Tasks,
) -> Result<Storage, OpenError> {
    open_as(&StorageConfig::new(paths), node, cluster, tasks)
}

fn open_as(
    config: &StorageConfig,
    node: u64,
    cluster: u128,
    tasks: &Tasks,
) -> Result<Storage, OpenError> {
    Storage::open(
        config,
        NodeId::new(node),
        ClusterId::new(cluster),
        SystemClock::shared(),
        tasks,
        &Metrics::new(),
    )
}

impl Node {
    fn start(paths: Vec<PathBuf>) -> Self {
        Self::start_as(&StorageConfig::new(paths))
    }

    fn start_as(config: &StorageConfig) -> Self {
        let tasks = Tasks::new();
        let storage = open_as(config, 1, 1, &tasks).unwrap();
        let (to, incoming) = in_process();
        let service = storage.service();
        tasks.spawn("serve", async move {
            let server = cairn_rpc::server::builder(&Metrics::new()).add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            storage,
            client: StorageClient::new(to.channel()),
            tasks,
        }
    }

    fn disk(&self) -> Bytes {
        from_u128(self.storage.disks()[0].id.get())
    }

    async fn write(&mut self, shard: &TestShard) -> Result<Bytes, tonic::Status> {
        let messages = messages(self.disk(), shard);
        let answer = self
            .client
            .write_shard(tokio_stream::iter(messages))
            .await?;
        Ok(answer.into_inner().root)
    }

    async fn read(
        &mut self,
        shard: &TestShard,
    ) -> Result<Vec<proto::ReadShardResponse>, tonic::Status> {
        let slices = (0..shard.stripe_count()).map(|stripe| proto::CellSlice {
            stripe,
            first_frame: 0,
            frame_count: 0,
        });
        let request = proto::ReadShardRequest {
            disk: self.disk(),
            blob: from_u128(shard.blob.get()),
            shard: u32::from(shard.shard),
            slices: slices.collect(),
        };
        let mut answers = self.client.read_shard(request).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await? {
            all.push(answer);
        }
        Ok(all)
    }

    async fn read_grace_ms(&mut self) -> Option<u64> {
        let answer = self.client.describe(proto::DescribeRequest {}).await;
        answer.unwrap().into_inner().read_grace_ms
    }

    async fn describe(&mut self) -> Vec<proto::DiskSummary> {
        let answer = self.client.describe(proto::DescribeRequest {}).await;
        answer.unwrap().into_inner().disks
    }

    /// Asks until the disk is in service.
    async fn wait_for(&mut self, disk: usize) {
        let in_time = async {
            while !self.describe().await[disk].in_service {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), in_time);
        in_time.await.expect("the disk comes into service");
    }

    async fn list(&mut self, after: Bytes) -> Vec<proto::ShardSummary> {
        let request = proto::ListBlobsRequest {
            disk: self.disk(),
            after,
            placement_group: 1,
            by_placement_group: true,
        };
        let mut answers = self.client.list_blobs(request).await.unwrap().into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            all.extend(answer.shards);
        }
        all
    }

    async fn stop(self) {
        self.storage.close().await;
        assert!(self.tasks.stop_and_join(Duration::from_secs(10)).await);
    }
}

fn messages(disk: Bytes, shard: &TestShard) -> Vec<proto::WriteShardRequest> {
    use proto::write_shard_request::Message;
    let header = Message::Header(proto::ShardHeader {
        disk,
        blob: from_u128(shard.blob.get()),
        shard: u32::from(shard.shard),
        epoch: 1,
    });
    let cells = (0..).zip(&shard.cells).map(|(stripe, cell)| {
        Message::Cell(proto::Cell {
            stripe,
            data: cell.clone(),
            frame_hashes: shard.hashes(stripe),
            rest_len: 0,
            is_followed: stripe + 1 < shard.stripe_count(),
        })
    });
    std::iter::once(header)
        .chain(cells)
        .chain([Message::End(proto::End {})])
        .map(|message| proto::WriteShardRequest {
            message: Some(message),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_written_listed_read_and_removed_over_the_wire() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(vec![dir.path().join("disk")]);
    let shard = TestShard::new(blob(1), 5, &[1 << 20, 1 << 20, 777]);
    assert_eq!(node.write(&shard).await.unwrap(), shard.root()[..]);
    let answers = node.read(&shard).await.unwrap();
    assert_eq!(answers.len(), 3);
    for (answer, (stripe, cell)) in answers.iter().zip((0..).zip(&shard.cells)) {
        assert_eq!(answer.stripe, stripe);
        assert_eq!(answer.data, cell);
        assert_eq!(answer.frame_hashes, shard.hashes(stripe));
        assert_eq!(usize::try_from(answer.cell_len).unwrap(), cell.len());
    }
    let summary = proto::ShardSummary {
        blob: from_u128(shard.blob.get()),
        shard: 5,
        stripe_count: 3,
        stored_bytes: (2 << 20) + 777,
        root: Bytes::copy_from_slice(&shard.root()),
        removed: false,
    };
    assert_eq!(
        node.list(Bytes::new()).await,
        std::slice::from_ref(&summary)
    );
    let remove = proto::RemoveBlobsRequest {
        disk: node.disk(),
        blobs: vec![from_u128(blob(1).get()), from_u128(blob(2).get())],
    };
    node.client.remove_blobs(remove).await.unwrap();
    let removed = proto::ShardSummary {
        removed: true,
        ..summary
    };
    assert_eq!(node.list(Bytes::new()).await, [removed]);
    assert_eq!(node.read(&shard).await.unwrap().len(), 3);
    let disks = node.describe().await;
    assert!(disks[0].in_service && disks[0].removed_bytes > 2 << 20 && disks[0].live_bytes == 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list_comes_in_pages_and_goes_on_behind_any_blob() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(vec![dir.path().join("disk")]);
    for number in 0..1100 {
        let shards = TestShard::new(blob(number), 0, &[64]);
        node.write(&shards).await.unwrap();
    }
    assert_eq!(node.list(Bytes::new()).await.len(), 1100);
    assert_eq!(node.list(from_u128(blob(999).get())).await.len(), 100);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_has_its_status() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(vec![dir.path().join("disk")]);
    let shard = TestShard::new(blob(1), 0, &[100]);
    assert_eq!(node.read(&shard).await.unwrap_err().code(), Code::NotFound);
    node.write(&shard).await.unwrap();
    let other = TestShard::new(blob(1), 0, &[101]);
    assert_eq!(
        node.write(&other).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    let epoch = proto::AdvanceEpochRequest {
        disk: node.disk(),
        placement_group: 1,
        epoch: 2,
    };
    node.client.advance_epoch(epoch).await.unwrap();
    let stale = node.write(&TestShard::new(blob(2), 0, &[1])).await;
    assert_eq!(stale.unwrap_err().code(), Code::FailedPrecondition);
    let nowhere = messages(from_u128(99), &shard);
    let answer = node.client.write_shard(tokio_stream::iter(nowhere)).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    let headless = messages(node.disk(), &shard).split_off(1);
    let answer = node.client.write_shard(tokio_stream::iter(headless)).await;
    assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_its_end_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(vec![dir.path().join("disk")]);
    let shard = TestShard::new(blob(1), 0, &[70_000, 70_000, 100]);
    let whole = messages(node.disk(), &shard);
    for len in 1..whole.len() {
        let cut = tokio_stream::iter(whole[..len].to_vec());
        let answer = node.client.write_shard(cut).await;
        assert_eq!(answer.unwrap_err().code(), Code::Aborted, "{len} messages");
    }
    assert!(node.list(Bytes::new()).await.is_empty());
    assert_eq!(node.write(&shard).await.unwrap(), shard.root()[..]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_says_whose_the_disk_is() {
    let dir = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let paths = || vec![dir.path().join("a"), dir.path().join("b")];
    let storage = open(paths(), 1, 1, &tasks).unwrap();
    let disks = storage.disks();
    assert_ne!(disks[0].id, disks[1].id);
    assert!(matches!(
        open(paths(), 1, 1, &tasks),
        Err(OpenError::Unusable { .. })
    ));
    storage.close().await;
    drop(storage);
    assert!(matches!(
        open(paths(), 1, 2, &tasks),
        Err(OpenError::OtherCluster { .. })
    ));
    assert!(matches!(
        open(paths(), 2, 1, &tasks),
        Err(OpenError::OtherNode { .. })
    ));
    let again = open(paths(), 1, 1, &tasks).unwrap();
    assert_eq!(again.disks(), disks);
    again.close().await;
    drop(again);
    std::fs::create_dir(dir.path().join("c")).unwrap();
    std::fs::create_dir(dir.path().join("c/lost+found")).unwrap();
    std::fs::write(dir.path().join("c/notes.txt"), "mine").unwrap();
    let error = open(vec![dir.path().join("c")], 1, 1, &tasks).unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    std::fs::remove_file(dir.path().join("c/notes.txt")).unwrap();
    open(vec![dir.path().join("c")], 1, 1, &tasks)
        .unwrap()
        .close()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_to_open_is_kept_out_while_the_others_serve() {
    let dir = tempfile::tempdir().unwrap();
    let paths = || vec![dir.path().join("a"), dir.path().join("b")];
    let tasks = Tasks::new();
    open(paths(), 1, 1, &tasks).unwrap().close().await;
    std::fs::write(dir.path().join("b/epochs"), "damage").unwrap();
    let mut node = Node::start(paths());
    let shard = TestShard::new(blob(1), 0, &[100]);
    node.write(&shard).await.unwrap();
    let disks = node.describe().await;
    assert!(disks[0].in_service);
    assert!(
        !disks[1].in_service && disks[1].reason.contains("epochs"),
        "{:?}",
        disks[1]
    );
    assert_eq!(node.storage.disks().len(), 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_tells_how_long_removed_data_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = StorageConfig::new(vec![dir.path().join("disk")]);
    config.read_grace = Duration::from_millis(1_234);
    let mut node = Node::start_as(&config);
    assert_eq!(node.read_grace_ms().await, Some(1_234));
    node.stop().await;
}

/// A file that nobody can read before somebody else has written it: a disk that hangs.
fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_not_mounted_is_kept_out_and_nothing_is_made_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let paths = || vec![dir.path().join("a"), dir.path().join("b")];
    let tasks = Tasks::new();
    let before = open(paths(), 1, 1, &tasks).unwrap();
    let disks = before.disks();
    before.close().await;
    std::fs::remove_dir_all(dir.path().join("b")).unwrap();
    let mut config = StorageConfig::new(paths());
    config.label_new.clear();

    let mut node = Node::start_as(&config);
    assert_eq!(node.storage.disks(), disks[..1]);
    let found = node.describe().await;
    assert!(found[0].in_service && !found[1].in_service);
    assert!(found[1].reason.contains("mounted"), "{:?}", found[1]);
    assert!(!dir.path().join("b").exists());
    node.stop().await;

    std::fs::create_dir_all(dir.path().join("b/lost+found")).unwrap();
    let mut node = Node::start_as(&config);
    let found = node.describe().await;
    assert!(found[1].reason.contains("no label"), "{:?}", found[1]);
    let shard = TestShard::new(blob(1), 0, &[100]);
    node.write(&shard).await.unwrap();
    node.stop().await;

    // Said to be new, it becomes another disk.
    config.label_new.insert(dir.path().join("b"));
    let node = Node::start_as(&config);
    assert_eq!(node.storage.disks()[0], disks[0]);
    assert_ne!(node.storage.disks()[1].id, disks[1].id);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_is_gone_without_and_comes_into_service_when_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    let paths = || vec![dir.path().join("a"), dir.path().join("b")];
    let tasks = Tasks::new();
    let before = open(paths(), 1, 1, &tasks).unwrap();
    let disks = before.disks();
    before.close().await;
    let label_path = dir.path().join("b/label");
    let label = std::fs::read(&label_path).unwrap();
    std::fs::remove_file(&label_path).unwrap();
    make_fifo(&label_path);
    let mut config = StorageConfig::new(paths());
    config.label_limit = Duration::from_millis(500);

    let mut node = Node::start_as(&config);
    assert_eq!(node.storage.disks(), disks[..1]);
    let found = node.describe().await;
    assert!(found[0].in_service && !found[1].in_service);
    assert!(found[1].reason.contains("label"), "{:?}", found[1]);
    std::fs::write(&label_path, label).unwrap();
    node.wait_for(1).await;
    assert_eq!(node.storage.disks(), disks);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disks_that_take_long_to_open_do_not_keep_the_others_from_serving() {
    let dir = tempfile::tempdir().unwrap();
    let paths = || vec![dir.path().join("a"), dir.path().join("b")];
    let tasks = Tasks::new();
    open(paths(), 1, 1, &tasks).unwrap().close().await;
    make_fifo(&dir.path().join("b/epochs"));
    let mut config = StorageConfig::new(paths());
    config.opens_in_background = true;

    let mut node = Node::start_as(&config);
    assert_eq!(node.storage.disks().len(), 2);
    node.wait_for(0).await;
    let found = node.describe().await;
    assert!(!found[1].in_service && found[1].reason.contains("being opened"));
    std::fs::write(dir.path().join("b/epochs"), EpochTable::default().encode()).unwrap();
    node.wait_for(1).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let paths = || vec![dir.path().join("a"), dir.path().join("b")];
    let tasks = Tasks::new();
    open(paths(), 1, 1, &tasks).unwrap().close().await;
    std::fs::copy(dir.path().join("a/label"), dir.path().join("b/label")).unwrap();
    assert!(matches!(
        open(paths(), 1, 1, &tasks),
        Err(OpenError::Copy { .. })
    ));
}
