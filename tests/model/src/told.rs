//! Times, of which the model only knows that the server must always tell the same.

use cairn_dev_tests::sign::Moment;

/// What was told of one moment so far: by XML with fractions of a second, by headers without.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    exact: Option<String>,
    header: Option<String>,
}

impl Told {
    /// A time as XML has it.
    ///
    /// # Errors
    /// What was told before, where it was something else.
    pub(crate) fn hear(&mut self, exact: &str) -> Result<(), String> {
        if let Some(known) = self.exact.as_deref().filter(|known| *known != exact) {
            return Err(known.to_owned());
        }
        if !is_exact(exact) {
            return Err("a time such as 2026-01-02T03:04:05.678Z".to_owned());
        }
        self.exact = Some(exact.to_owned());
        self.hear_header(&Moment::parse(exact).http_date())
    }

    /// A time as a header has it.
    ///
    /// # Errors
    /// As [`Told::hear`].
    pub(crate) fn hear_header(&mut self, header: &str) -> Result<(), String> {
        match self.header.as_deref() {
            Some(known) if known != header => Err(known.to_owned()),
            _ => {
                self.header = Some(header.to_owned());
                Ok(())
            }
        }
    }

    /// As a header has it, if it was told.
    pub(crate) fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }
}

/// `2026-01-02T03:04:05.678Z`: the form in which S3 writes times.
fn is_exact(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(found, wanted)| {
            if wanted == 'd' {
                found.is_ascii_digit()
            } else {
                found == wanted
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_the_same_in_both_forms_or_not_believed() {
        let mut told = Told::default();
        told.hear_header("Fri, 24 May 2013 00:00:00 GMT").unwrap();
        told.hear("2013-05-24T00:00:00.999Z").unwrap();
        assert!(told.hear("2013-05-24T00:00:00.998Z").is_err());
        assert!(told.hear_header("Fri, 24 May 2013 00:00:01 GMT").is_err());
        assert!(Told::default().hear("2013-05-24T00:00:00Z").is_err());
    }
}
