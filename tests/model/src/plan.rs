//! Which call comes next.

use cairn_dev_tests::dice::Dice;

use crate::call::Call;
use crate::calls::buckets::{CreateBucket, DeleteBucket, HeadBucket, ListBuckets};
use crate::calls::complete_upload::CompleteUpload;
use crate::calls::copy_object::CopyObject;
use crate::calls::delete_object::DeleteObject;
use crate::calls::delete_objects::DeleteObjects;
use crate::calls::list_objects::ListObjects;
use crate::calls::list_parts::ListParts;
use crate::calls::list_uploads::ListUploads;
use crate::calls::list_versions::ListVersions;
use crate::calls::lock::Lock;
use crate::calls::part::{UploadPart, UploadPartCopy};
use crate::calls::put_object::PutObject;
use crate::calls::read_object::ReadObject;
use crate::calls::tagging::Tagging;
use crate::calls::upload::{AbortUpload, CreateUpload};
use crate::calls::versioning::{GetVersioning, PutVersioning};
use crate::draw::Draw;
use crate::world::{Bucket, World};

type Kind = fn(&mut Draw<'_>) -> Box<dyn Call>;

/// How calls are drawn, and how often: so many times of the sum of all.
const KINDS: &[(u64, Kind)] = &[
    (36, |draw| Box::new(PutObject::draw(draw))),
    (36, |draw| Box::new(ReadObject::draw(draw))),
    (16, |draw| Box::new(DeleteObject::draw(draw))),
    (5, |draw| Box::new(DeleteObjects::draw(draw))),
    (14, |draw| Box::new(CopyObject::draw(draw))),
    (20, |draw| Box::new(ListObjects::draw(draw))),
    (12, |draw| Box::new(ListVersions::draw(draw))),
    (8, |draw| Box::new(ListUploads::draw(draw))),
    (5, |draw| Box::new(ListParts::draw(draw))),
    (6, |draw| Box::new(CreateUpload::draw(draw))),
    (18, |draw| Box::new(UploadPart::draw(draw))),
    (5, |draw| Box::new(UploadPartCopy::draw(draw))),
    (9, |draw| Box::new(CompleteUpload::draw(draw))),
    (2, |draw| Box::new(AbortUpload::draw(draw))),
    (8, |draw| Box::new(Tagging::draw(draw))),
    (8, |draw| Box::new(Lock::draw(draw))),
    (2, |draw| Box::new(PutVersioning::draw(draw))),
    (1, |draw| Box::new(GetVersioning::draw(draw))),
    (2, |draw| Box::new(CreateBucket::draw(draw))),
    (1, |draw| Box::new(DeleteBucket::draw(draw))),
    (1, |draw| Box::new(HeadBucket::draw(draw))),
    (2, |draw| Box::new(ListBuckets::draw(draw))),
];

/// Draws the next call.
pub(crate) fn draw(world: &World, dice: &mut Dice) -> Box<dyn Call> {
    let mut draw = Draw { world, dice };
    if world.buckets.is_empty() {
        return Box::new(CreateBucket::draw(&mut draw));
    }
    if let Some(call) = drain(&mut draw) {
        return call;
    }
    let sum = KINDS.iter().map(|(weight, _)| weight).sum();
    let mut throw = draw.dice.below(sum);
    for (weight, kind) in KINDS {
        if throw < *weight {
            return kind(&mut draw);
        }
        throw -= weight;
    }
    unreachable!("a throw is below the sum of all weights")
}

/// Goes on emptying a bucket that is to be deleted, every other time.
fn drain(draw: &mut Draw<'_>) -> Option<Box<dyn Call>> {
    let world = draw.world;
    let draining = |(_, bucket): &(&String, &Bucket)| bucket.is_draining;
    let (name, bucket) = world.buckets.iter().find(draining)?;
    if draw.chance(50) {
        return None;
    }
    let mut versions = bucket.keys.iter().flat_map(|(key, versions)| {
        let versions = versions.iter();
        versions.map(move |version| (key, version))
    });
    let held = versions.clone().find(|(_, version)| {
        let object = version.object.as_ref();
        object.is_some_and(|object| object.settings.hold == Some(true))
    });
    if let Some((key, version)) = held {
        return Some(Box::new(Lock::release(name, key, &version.id)));
    }
    if let Some(call) = DeleteObjects::drain(world, name) {
        return Some(Box::new(call));
    }
    match versions.next() {
        Some((key, version)) => Some(Box::new(DeleteObject::of(name, key, &version.id))),
        None => Some(Box::new(DeleteBucket::of(name))),
    }
}
