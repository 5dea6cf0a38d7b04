//! Turns tokens back into the text that a person would write.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// A type or a value as it is written: `Vec<(u8, &'static str)>`, without the spaces that a token stream prints.
pub(crate) fn spell(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' => {
                    text.push(punct.as_char());
                    text.push(' ');
                }
                '+' | '=' => {
                    text.push(' ');
                    text.push(punct.as_char());
                    text.push(' ');
                }
                '-' if text.is_empty() || text.ends_with(['(', '[', ' ']) => text.push('-'),
                '-' => text.push_str(" -"),
                '>' if text.ends_with(" -") => text.push_str("> "),
                // A trailing comma closes as if it were not there.
                '>' => {
                    text.truncate(text.trim_end_matches([',', ' ']).len());
                    text.push('>');
                }
                char => text.push(char),
            },
            word => {
                if text.ends_with(|char: char| char.is_alphanumeric() || char == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

/// The first paragraph of a documentation, as one line.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> String {
    let mut paragraph: Vec<String> = Vec::new();
    for line in attributes.iter().filter_map(doc).flat_map(|doc| lines(&doc)) {
        match (line.is_empty(), paragraph.is_empty()) {
            (true, true) => {}
            (true, false) => break,
            (false, _) => paragraph.push(line),
        }
    }
    paragraph.join(" ")
}

fn doc(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// A comment's lines without the stars of a block.
fn lines(doc: &str) -> Vec<String> {
    let lines = doc.split('\n').map(|line| {
        let line = line.trim();
        line.strip_prefix("* ").unwrap_or(line).to_owned()
    });
    // A line of its own is taken as it is: it may be an item of a list.
    if doc.contains('\n') { lines.collect() } else { vec![doc.trim().to_owned()] }
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_quote};

    use super::*;

    #[test]
    fn types_and_values_read_as_they_were_written() {
        for written in [
            "u32",
            "Vec<Option<u8>>",
            "std::collections::BTreeMap<String, (u8, u8)>",
            "[u8; 4]",
            "&'static str",
            "Box<dyn Send + Sync>",
            "fn(u8, u8) -> u8",
            "-5",
            "vec![1.5, -2.0]",
            "Currency::new(\"EUR\")",
        ] {
            assert_eq!(spell(written.parse().unwrap()), written);
        }
    }

    #[test]
    fn the_first_paragraph_is_one_line() {
        let function: ItemFn = parse_quote! {
            ///
            /// Counts to `n`,
            /// loudly.
            ///
            /// More.
            #[inline]
            fn count_to() {}
        };
        assert_eq!(first_paragraph(&function.attrs), "Counts to `n`, loudly.");
        let function: ItemFn = parse_quote! {
            /**
             * Counts.
             */
            fn count_to() {}
        };
        assert_eq!(first_paragraph(&function.attrs), "Counts.");
        let function: ItemFn = parse_quote! { fn count_to() {} };
        assert_eq!(first_paragraph(&function.attrs), "");
    }
}
