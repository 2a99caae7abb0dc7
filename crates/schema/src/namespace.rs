//! What the metadata can be asked to change and to tell.

mod data;
mod refusal;
mod root;

pub use root::{bucket_state, bucket_state_message};

use cairn_types::id::BlobId;
use cairn_types::namespace::{Mutation, Query, Reply, View};

use crate::field::{DecodeError, Field, bits_128};
use crate::proto;
use crate::proto::{mutation, query, reply, view};

impl From<&Mutation> for proto::Mutation {
    fn from(change: &Mutation) -> Self {
        let kind = match change {
            Mutation::Root(root) => mutation::Kind::Root(root.into()),
            Mutation::Data(data) => mutation::Kind::Data(data.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::Mutation> for Mutation {
    type Error = DecodeError;

    fn try_from(message: proto::Mutation) -> Result<Self, DecodeError> {
        match Field::new("Mutation", "kind").required(message.kind)? {
            mutation::Kind::Root(root) => Ok(Self::Root(root.try_into()?)),
            mutation::Kind::Data(data) => Ok(Self::Data(data.try_into()?)),
        }
    }
}

impl From<&Reply> for proto::Reply {
    fn from(answer: &Reply) -> Self {
        let kind = match answer {
            Reply::Root(root) => reply::Kind::Root(root.into()),
            Reply::Data(data) => reply::Kind::Data(data.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::Reply> for Reply {
    type Error = DecodeError;

    fn try_from(message: proto::Reply) -> Result<Self, DecodeError> {
        match Field::new("Reply", "kind").required(message.kind)? {
            reply::Kind::Root(root) => Ok(Self::Root(root.try_into()?)),
            reply::Kind::Data(data) => Ok(Self::Data(data.try_into()?)),
        }
    }
}

impl From<&Query> for proto::Query {
    fn from(question: &Query) -> Self {
        let kind = match question {
            Query::Root(root) => query::Kind::Root(root.into()),
            Query::Data(data) => query::Kind::Data(data.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::Query> for Query {
    type Error = DecodeError;

    fn try_from(message: proto::Query) -> Result<Self, DecodeError> {
        match Field::new("Query", "kind").required(message.kind)? {
            query::Kind::Root(root) => Ok(Self::Root(root.try_into()?)),
            query::Kind::Data(data) => Ok(Self::Data(data.try_into()?)),
        }
    }
}

impl From<&View> for proto::View {
    fn from(answer: &View) -> Self {
        let kind = match answer {
            View::Root(root) => view::Kind::Root(root.into()),
            View::Data(data) => view::Kind::Data(data.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::View> for View {
    type Error = DecodeError;

    fn try_from(message: proto::View) -> Result<Self, DecodeError> {
        match Field::new("View", "kind").required(message.kind)? {
            view::Kind::Root(root) => Ok(Self::Root(root.try_into()?)),
            view::Kind::Data(data) => Ok(Self::Data(data.try_into()?)),
        }
    }
}

impl From<&[BlobId]> for proto::BlobList {
    fn from(blobs: &[BlobId]) -> Self {
        Self {
            blobs: blobs.iter().map(|blob| bits_128(blob.get())).collect(),
        }
    }
}

impl TryFrom<proto::BlobList> for Vec<BlobId> {
    type Error = DecodeError;

    fn try_from(message: proto::BlobList) -> Result<Self, DecodeError> {
        let at = Field::new("BlobList", "blobs");
        let blobs = message.blobs.iter();
        blobs
            .map(|blob| at.bits_128(blob).map(BlobId::from_bits))
            .collect()
    }
}
