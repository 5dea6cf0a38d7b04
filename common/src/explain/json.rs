//! An explanation for programs.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::Explanation;

/// `{ "kind": …, "text": … }`
impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Explanation", 2)?;
        fields.serialize_field("kind", self.kind())?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
}
