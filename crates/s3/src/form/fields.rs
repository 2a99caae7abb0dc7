//! The fields of a form, in front of its file.

/// The fields of a form, in their order. Names have no case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// Names in lower case, and values.
    fields: Vec<(String, String)>,
}

impl Fields {
    /// Adds a field behind the others.
    pub fn push(&mut self, name: &str, value: String) {
        self.fields.push((name.to_ascii_lowercase(), value));
    }

    /// The value of the first field with this name, which is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All fields: names in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether two fields have the same name: then two readers may each take another one.
    pub(super) fn has_twins(&self) -> bool {
        let mut names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names
            .iter()
            .zip(names.iter().skip(1))
            .any(|(one, next)| one == next)
    }

    /// Puts the name of the file where `${filename}` stands.
    pub(super) fn name_file(&mut self, filename: &str) {
        // Browsers may send a path; only its last component is the name.
        let filename = filename.rsplit(['/', '\\']).next().unwrap_or_default();
        for (_, value) in &mut self.fields {
            if value.contains("${filename}") {
                *value = value.replace("${filename}", filename);
            }
        }
    }
}
