//! Requests to the root group and to data groups, with the answers that belong to them.

use cairn_types::id::GroupId;
use cairn_types::namespace::{
    DataMutation, DataQuery, DataReply, DataView, Mutation, Query, Reply, RootMutation, RootQuery,
    RootReply, RootView, View,
};

use super::{Indexed, MetaClient, MutateError, QueryError};

impl MetaClient {
    /// One change of the root group. See `mutate`.
    ///
    /// # Errors
    /// See `mutate`.
    pub async fn change_root(&self, mutation: RootMutation) -> Result<RootReply, MutateError> {
        let group = GroupId::ROOT;
        match self.mutate(group, Mutation::Root(mutation)).await?.value {
            Reply::Root(reply) => Ok(reply),
            Reply::Data(_) => Err(MutateError::unexpected_reply(group)),
        }
    }

    /// One change of a data group. See `mutate`.
    ///
    /// # Errors
    /// See `mutate`.
    pub async fn change_data(
        &self,
        group: GroupId,
        mutation: DataMutation,
    ) -> Result<Indexed<DataReply>, MutateError> {
        let reply = self.mutate(group, Mutation::Data(mutation)).await?;
        reply.try_map(|reply| match reply {
            Reply::Data(reply) => Ok(reply),
            Reply::Root(_) => Err(MutateError::unexpected_reply(group)),
        })
    }

    /// One question to the root group. See `query`.
    ///
    /// # Errors
    /// See `query`.
    pub async fn ask_root(&self, query: RootQuery) -> Result<Indexed<RootView>, QueryError> {
        let view = self.query(GroupId::ROOT, &Query::Root(query)).await?;
        view.try_map(|view| match view {
            View::Root(view) => Ok(view),
            View::Data(_) => Err(QueryError::unexpected_view()),
        })
    }

    /// One question to a data group. See `query`.
    ///
    /// # Errors
    /// See `query`.
    pub async fn ask_data(
        &self,
        group: GroupId,
        query: DataQuery,
    ) -> Result<Indexed<DataView>, QueryError> {
        let view = self.query(group, &Query::Data(query)).await?;
        view.try_map(|view| match view {
            View::Data(view) => Ok(view),
            View::Root(_) => Err(QueryError::unexpected_view()),
        })
    }
}
