//! What the syntax of a type tells a policy about its values.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

/// The coarse kind of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    Any,
}

impl Kind {
    /// Reads the kind off the type as written; an alias or a generic is `Any`.
    pub(crate) fn of(ty: &Type) -> Self {
        match ty {
            Type::Reference(reference) => Self::of(&reference.elem),
            Type::Paren(paren) => Self::of(&paren.elem),
            Type::Group(group) => Self::of(&group.elem),
            Type::Array(_) | Type::Slice(_) => Self::List,
            Type::Path(path) => path
                .path
                .segments
                .last()
                .map_or(Self::Any, |last| Self::named(&last.ident.to_string())),
            _ => Self::Any,
        }
    }

    pub(crate) fn expand(self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Text => quote!(#private::Kind::Text),
            Self::Integer => quote!(#private::Kind::Integer),
            Self::Number => quote!(#private::Kind::Number),
            Self::Boolean => quote!(#private::Kind::Boolean),
            Self::List => quote!(#private::Kind::List),
            Self::Any => quote!(#private::Kind::Any),
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "String" | "str" | "Cow" | "char" => Self::Text,
            "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64"
            | "i128" | "isize" => Self::Integer,
            "f32" | "f64" => Self::Number,
            "bool" => Self::Boolean,
            "Vec" => Self::List,
            _ => Self::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn kinds() {
        for (ty, kind) in [
            ("String", Kind::Text),
            ("&'a str", Kind::Text),
            ("std::borrow::Cow<'_, str>", Kind::Text),
            ("char", Kind::Text),
            ("&mut u64", Kind::Integer),
            ("(i128)", Kind::Integer),
            ("f64", Kind::Number),
            ("&&bool", Kind::Boolean),
            ("Vec<String>", Kind::List),
            ("&[u8]", Kind::List),
            ("[u8; N]", Kind::List),
            ("Option<String>", Kind::Any),
            ("impl Serialize", Kind::Any),
            ("T", Kind::Any),
            ("(u8, u8)", Kind::Any),
        ] {
            assert_eq!(Kind::of(&syn::parse_str(ty).unwrap()), kind, "{ty}");
        }
    }
}
