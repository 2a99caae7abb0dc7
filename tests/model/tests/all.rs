//! Short runs of the model.

use cairn_cluster_tests::cluster::Cluster;
use cairn_dev_tests::dice::fresh_seed;
use cairn_model_tests::{CLUSTER, Settings, run};

/// For runs that always make the same calls.
const SEED: u64 = 1;
const STEPS: u64 = 750;

#[test]
fn two_gateways_answer_as_the_model_of_s3_does() {
    let cluster = Cluster::up("model", &CLUSTER);
    let description = cluster.description();
    for seed in [SEED, fresh_seed()] {
        println!("model: {STEPS} steps, SEED={seed}");
        let settings = Settings {
            steps: STEPS,
            seed,
            traces: false,
        };
        if let Err(disagreement) = run(&description, settings) {
            panic!("{disagreement}");
        }
    }
    cluster.finish(&[]);
}
