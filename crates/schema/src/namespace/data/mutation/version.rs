//! Changes of what is kept of a version beside its bytes.

use cairn_types::namespace::DataMutation;

use crate::field::{DecodeError, Field};
use crate::proto::data_mutation::{Kind, SetLegalHold, SetObjectAcl, SetObjectTags, SetRetention};
use crate::settings::{legal_hold, legal_hold_number};

/// The message of such a change.
///
/// # Panics
/// When it is another change.
pub(super) fn message(change: &DataMutation) -> Kind {
    match change {
        DataMutation::SetObjectTags { target, tags } => Kind::SetObjectTags(SetObjectTags {
            target: Some(target.into()),
            tags: Some(tags.into()),
        }),
        DataMutation::SetObjectAcl { target, acl } => Kind::SetObjectAcl(SetObjectAcl {
            target: Some(target.into()),
            acl: acl.as_ref().map(Into::into),
        }),
        DataMutation::SetRetention {
            target,
            retention,
            bypass_governance,
        } => Kind::SetRetention(SetRetention {
            target: Some(target.into()),
            retention: retention.as_ref().map(Into::into),
            bypass_governance: *bypass_governance,
        }),
        DataMutation::SetLegalHold { target, legal_hold } => Kind::SetLegalHold(SetLegalHold {
            target: Some(target.into()),
            legal_hold: legal_hold_number(Some(*legal_hold)),
        }),
        other => unreachable!("{other:?} is no change of a version"),
    }
}

pub(super) fn set_tags(message: SetObjectTags) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.SetObjectTags", name);
    Ok(DataMutation::SetObjectTags {
        target: at("target").noun(message.target)?,
        tags: at("tags").noun(message.tags)?,
    })
}

pub(super) fn set_acl(message: SetObjectAcl) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.SetObjectAcl", name);
    Ok(DataMutation::SetObjectAcl {
        target: at("target").noun(message.target)?,
        acl: message.acl.map(TryInto::try_into).transpose()?,
    })
}

pub(super) fn set_retention(message: SetRetention) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.SetRetention", name);
    Ok(DataMutation::SetRetention {
        target: at("target").noun(message.target)?,
        retention: message.retention.map(TryInto::try_into).transpose()?,
        bypass_governance: message.bypass_governance,
    })
}

pub(super) fn set_legal_hold(message: SetLegalHold) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.SetLegalHold", name);
    let hold = legal_hold(at("legal_hold"), message.legal_hold)?;
    Ok(DataMutation::SetLegalHold {
        target: at("target").noun(message.target)?,
        legal_hold: hold.ok_or_else(|| at("legal_hold").unknown(message.legal_hold))?,
    })
}
