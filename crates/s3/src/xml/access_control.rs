//! `AccessControlPolicy`: ACLs.

use std::fmt;

use cairn_iam::acl::{Acl, Grant, Grantee, Group, Permission};
use cairn_types::account::CanonicalId;

use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};
use crate::xml::writer::XmlWriter;

/// The root, its two lists, and of each grant itself, its grantee with four names, and its permission.
const ELEMENT_LIMIT: usize = 5 + Acl::MAX_GRANTS * 7;

/// An ACL as a client writes it: whom it grants to is not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclDocument {
    /// The canonical id of the owner that it says; S3 refuses another than the one there is.
    pub owner: String,
    /// What it grants, at most 100 of them.
    pub grants: Vec<NamedGrant>,
}

/// A grant as a client writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedGrant {
    /// Whom it is to.
    pub grantee: NamedGrantee,
    /// What it grants.
    pub permission: Permission,
}

/// Somebody as a client names them.
#[derive(Clone, PartialEq, Eq)]
pub enum NamedGrantee {
    /// By canonical id, unchecked.
    Id(String),
    /// By the e-mail of the account.
    Email(String),
    /// A group, by its URI, unchecked.
    Uri(String),
}

impl fmt::Debug for NamedGrantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id {id}"),
            Self::Email(_) => f.write_str("an e-mail"),
            Self::Uri(uri) => write!(f, "uri {uri}"),
        }
    }
}

/// Reads an ACL; there need be no document, where headers say it.
///
/// # Errors
/// `MalformedACLError` for everything that is no ACL of S3 or has more than 100 grants.
pub fn parse_access_control(document: &[u8]) -> Result<Option<AclDocument>, S3Error> {
    if document.is_empty() {
        return Ok(None);
    }
    read(document)
        .map(Some)
        .map_err(|Malformed| S3Error::new(Code::MalformedACLError))
}

/// The document of an ACL, its grants in the order of the dialect. `owner` and those who are granted something are told with the
/// names that `display_name` knows.
pub fn write_access_control(
    dialect: Dialect,
    owner: &CanonicalId,
    acl: &Acl,
    display_name: impl Fn(&CanonicalId) -> Option<String>,
) -> String {
    let mut xml = XmlWriter::document();
    let account = |xml: &mut XmlWriter, id: &CanonicalId| {
        xml.text("ID", id.as_str());
        xml.optional_text("DisplayName", display_name(id).as_deref());
    };
    xml.open_root("AccessControlPolicy");
    xml.open("Owner");
    account(&mut xml, owner);
    xml.close("Owner");
    xml.open("AccessControlList");
    let mut grants: Vec<&Grant> = acl.grants().iter().collect();
    if dialect.tells_groups_first() {
        grants.sort_by_key(|grant| !matches!(grant.grantee, Grantee::Group(_)));
    }
    for grant in grants {
        xml.open("Grant");
        match &grant.grantee {
            Grantee::Account(id) => {
                xml.open_of_type("Grantee", "CanonicalUser");
                account(&mut xml, id);
            }
            Grantee::Group(group) => {
                xml.open_of_type("Grantee", "Group");
                xml.text("URI", group.uri());
            }
        }
        xml.close("Grantee");
        xml.text("Permission", grant.permission.as_str());
        xml.close("Grant");
    }
    xml.close("AccessControlList");
    xml.close("AccessControlPolicy");
    xml.finish()
}

impl From<Group> for NamedGrantee {
    fn from(group: Group) -> Self {
        Self::Uri(group.uri().to_owned())
    }
}

fn read(document: &[u8]) -> Result<AclDocument, Malformed> {
    let root = Element::parse(document, "AccessControlPolicy", ELEMENT_LIMIT)?;
    root.children(&["Owner", "AccessControlList"])?;
    let owner = root.required_child("Owner")?;
    owner.children(&["ID", "DisplayName"])?;
    let list = root.required_child("AccessControlList")?;
    let grants = list.children(&["Grant"])?;
    if grants.len() > Acl::MAX_GRANTS {
        return Err(Malformed);
    }
    Ok(AclDocument {
        owner: owner.required("ID")?.trim().to_owned(),
        grants: grants.iter().map(read_grant).collect::<Result<_, _>>()?,
    })
}

fn read_grant(grant: &Element) -> Result<NamedGrant, Malformed> {
    grant.children(&["Grantee", "Permission"])?;
    let permission = grant.required("Permission")?.trim();
    Ok(NamedGrant {
        grantee: read_grantee(grant.required_child("Grantee")?)?,
        permission: Permission::parse(permission).ok_or(Malformed)?,
    })
}

/// Of which type a grantee is stands in an attribute, and what names it must be there; S3 passes over the other names.
fn read_grantee(grantee: &Element) -> Result<NamedGrantee, Malformed> {
    grantee.children(&["ID", "DisplayName", "EmailAddress", "URI"])?;
    let name = |element| {
        let text = grantee.required(element)?.trim();
        Some(text.to_owned())
            .filter(|text| !text.is_empty())
            .ok_or(Malformed)
    };
    match grantee.kind() {
        Some("CanonicalUser") => name("ID").map(NamedGrantee::Id),
        Some("AmazonCustomerByEmail") => name("EmailAddress").map(NamedGrantee::Email),
        Some("Group") => name("URI").map(NamedGrantee::Uri),
        Some(_) | None => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_iam::acl::Grant;

    const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

    fn parse(inner: &str) -> Result<AclDocument, Code> {
        let document = format!("<AccessControlPolicy>{inner}</AccessControlPolicy>");
        let read = parse_access_control(document.as_bytes());
        read.map(Option::unwrap).map_err(|error| error.code())
    }

    fn grant(kind: &str, names: &str) -> String {
        format!(
            "<Grant><Grantee {XSI} xsi:type=\"{kind}\">{names}</Grantee><Permission>READ</Permission></Grant>"
        )
    }

    fn of_grants(grants: &str) -> String {
        format!("<Owner><ID>o</ID></Owner><AccessControlList>{grants}</AccessControlList>")
    }

    #[test]
    fn grantees_are_read_in_each_of_their_three_forms() {
        let grants = [
            grant("CanonicalUser", "<ID>a</ID><DisplayName>A</DisplayName>"),
            grant("AmazonCustomerByEmail", "<EmailAddress>a@b</EmailAddress>"),
            grant("Group", "<URI>http://g</URI>"),
        ];
        let document = parse(&of_grants(&grants.concat())).unwrap();
        assert_eq!(document.owner, "o");
        let read: Vec<_> = document
            .grants
            .into_iter()
            .map(|grant| grant.grantee)
            .collect();
        let expected = [
            NamedGrantee::Id("a".to_owned()),
            NamedGrantee::Email("a@b".to_owned()),
            NamedGrantee::Uri("http://g".to_owned()),
        ];
        assert_eq!(read, expected);
        assert_eq!(parse(&of_grants("")).unwrap().grants, []);
    }

    #[test]
    fn what_is_no_acl_is_malformed() {
        let good = grant("Group", "<URI>u</URI>");
        assert_eq!(
            parse(&of_grants(&good.repeat(100))).unwrap().grants.len(),
            100
        );
        for bad in [
            String::new(),
            "<AccessControlList/>".to_owned(),
            "<Owner><ID>o</ID></Owner>".to_owned(),
            "<Owner/><AccessControlList/>".to_owned(),
            of_grants(&good.repeat(101)),
            of_grants(&grant("Group", "<ID>a</ID>")),
            of_grants(&grant("CanonicalUser", "<ID/>")),
            of_grants(&grant("Robot", "<ID>a</ID>")),
            of_grants("<Grant><Grantee><ID>a</ID></Grantee><Permission>READ</Permission></Grant>"),
            of_grants(&good.replace("READ", "read")),
            of_grants("<Grant/>"),
            of_grants("<Other/>"),
        ] {
            assert_eq!(parse(&bad), Err(Code::MalformedACLError), "{bad:.90}");
        }
        assert_eq!(parse_access_control(b""), Ok(None));
    }

    #[test]
    fn an_acl_is_written_with_types_and_names_and_reads_back() {
        let owner = CanonicalId::parse("owner").unwrap();
        let acl = Acl::new(vec![
            Grant::full_control(&owner),
            Grant::to_group(Group::AllUsers, Permission::Read),
            Grant::to(&CanonicalId::parse("gone").unwrap(), Permission::WriteAcp),
        ])
        .unwrap();
        let names = |id: &CanonicalId| (id.as_str() == "owner").then(|| "A&B".to_owned());
        let text = write_access_control(Dialect::Aws, &owner, &acl, names);
        let account = "<ID>owner</ID><DisplayName>A&amp;B</DisplayName>";
        assert_eq!(
            text,
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner>{account}</Owner>\
                 <AccessControlList>\
                 <Grant><Grantee {XSI} xsi:type=\"CanonicalUser\">{account}</Grantee>\
                 <Permission>FULL_CONTROL</Permission></Grant>\
                 <Grant><Grantee {XSI} xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>\
                 </Grantee><Permission>READ</Permission></Grant>\
                 <Grant><Grantee {XSI} xsi:type=\"CanonicalUser\"><ID>gone</ID></Grantee>\
                 <Permission>WRITE_ACP</Permission></Grant>\
                 </AccessControlList></AccessControlPolicy>"
            )
        );
        let groups_first = write_access_control(Dialect::Ceph, &owner, &acl, names);
        let read = parse_access_control(groups_first.as_bytes())
            .unwrap()
            .unwrap();
        let permissions = read.grants.iter().map(|grant| grant.permission);
        assert_eq!(
            permissions.collect::<Vec<_>>(),
            [
                Permission::Read,
                Permission::FullControl,
                Permission::WriteAcp
            ]
        );
        let read = parse_access_control(text.as_bytes()).unwrap().unwrap();
        assert_eq!(read.owner, "owner");
        assert_eq!(read.grants.len(), 3);
        assert_eq!(read.grants[1].grantee, Group::AllUsers.into());
    }
}
