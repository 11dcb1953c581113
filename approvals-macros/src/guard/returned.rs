//! What the return type says: whether it is a future, of what, and whether that can hold a refusal.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::{
    AngleBracketedGenericArguments, GenericArgument, PathArguments, PathSegment, Token, Type,
    TypeInfer, TypeParamBound,
};

/// A return type that is itself a future.
pub(crate) struct Future {
    /// `R` of `Future<Output = R>`, where it is written down.
    pub(crate) output: Option<Type>,
}

/// Recognises `Pin<Box<dyn Future<..>>>`, `impl Future<..>` and `BoxFuture<'_, ..>`.
pub(crate) fn future(ty: &Type) -> Option<Future> {
    match ty {
        Type::Paren(paren) => future(&paren.elem),
        Type::Group(group) => future(&group.elem),
        Type::ImplTrait(imp) => future_bound(&imp.bounds),
        Type::TraitObject(object) => future_bound(&object.bounds),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match last.ident.to_string().as_str() {
                "Pin" | "Box" => future(types(last).next()?),
                "BoxFuture" | "LocalBoxFuture" => Some(Future {
                    output: types(last).last().cloned(),
                }),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Why a value of this type can never be an `Err`, if the syntax alone shows it.
pub(crate) fn not_a_result(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Paren(paren) => not_a_result(&paren.elem),
        Type::Group(group) => not_a_result(&group.elem),
        Type::Tuple(tuple) if tuple.elems.is_empty() => Some("nothing"),
        Type::Tuple(_) => Some("a tuple"),
        Type::Array(_) | Type::Slice(_) => Some("a list"),
        Type::Reference(_) | Type::Ptr(_) => Some("a reference"),
        Type::FnPtr(_) => Some("a function"),
        Type::Never(_) => Some("nothing ever"),
        Type::Path(path) => path.path.segments.last().and_then(|last| {
            let name = last.ident.to_string();
            PLAIN.contains(&name.as_str()).then_some("a plain value")
        }),
        _ => None,
    }
}

/// Whether a future is handed out inside the result: its work would run after the guard has ended.
pub(crate) fn hands_out_future(ty: &Type) -> bool {
    match ty {
        Type::Paren(paren) => hands_out_future(&paren.elem),
        Type::Group(group) => hands_out_future(&group.elem),
        Type::Path(path) => {
            let inside = path.path.segments.last().into_iter().flat_map(types);
            inside
                .into_iter()
                .any(|ty| future(ty).is_some() || hands_out_future(ty))
        }
        Type::Tuple(tuple) => tuple
            .elems
            .iter()
            .any(|ty| future(ty).is_some() || hands_out_future(ty)),
        _ => false,
    }
}

/// The type with every `impl Trait` replaced by `_`, so that it can be written inside a body.
pub(crate) fn nameable(ty: &Type) -> Type {
    let mut ty = ty.clone();
    erase(&mut ty);
    ty
}

fn future_bound(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<Future> {
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound
                .path
                .segments
                .last()
                .filter(|last| last.ident == "Future")?;
            Some(Future {
                output: output(last),
            })
        }
        _ => None,
    })
}

fn output(segment: &PathSegment) -> Option<Type> {
    arguments(segment)?
        .args
        .iter()
        .find_map(|argument| match argument {
            GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
            _ => None,
        })
}

fn types(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    arguments(segment)
        .into_iter()
        .flat_map(|arguments| &arguments.args)
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

fn arguments(segment: &PathSegment) -> Option<&AngleBracketedGenericArguments> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments),
        _ => None,
    }
}

fn erase(ty: &mut Type) {
    match ty {
        Type::ImplTrait(_) => {
            *ty = Type::Infer(TypeInfer {
                attrs: Vec::new(),
                underscore_token: Token![_](Span::mixed_site()),
            });
        }
        Type::Paren(paren) => erase(&mut paren.elem),
        Type::Group(group) => erase(&mut group.elem),
        Type::Reference(reference) => erase(&mut reference.elem),
        Type::Array(array) => erase(&mut array.elem),
        Type::Slice(slice) => erase(&mut slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(erase),
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
                    continue;
                };
                for argument in &mut arguments.args {
                    if let GenericArgument::Type(ty) = argument {
                        erase(ty);
                    }
                }
            }
        }
        _ => {}
    }
}

const PLAIN: [&str; 20] = [
    "bool", "char", "str", "String", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16",
    "i32", "i64", "i128", "isize", "f32", "f64", "Option", "Vec",
];

#[cfg(test)]
mod tests {
    use super::{future, hands_out_future, nameable, not_a_result};
    use crate::tokens::write;

    #[test]
    fn futures() {
        for (ty, output) in [
            (
                "::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<u8, E>> + Send + 'async_trait>>",
                Some("Result<u8, E>"),
            ),
            (
                "impl Future<Output = anyhow::Result<()>> + Send",
                Some("anyhow::Result<()>"),
            ),
            ("BoxFuture<'_, Result<u8, E>>", Some("Result<u8, E>")),
            ("Result<u8, E>", None),
            ("Box<u8>", None),
            ("impl Iterator<Item = u8>", None),
        ] {
            let found = future(&syn::parse_str(ty).unwrap()).and_then(|found| found.output);
            let wanted = output.map(|ty| syn::parse_str::<syn::Type>(ty).unwrap());
            assert_eq!(
                found.map(|ty| write(&ty)),
                wanted.map(|ty| write(&ty)),
                "{ty}"
            );
        }
    }

    #[test]
    fn results() {
        for (ty, plain) in [
            ("()", true),
            ("(u8, u8)", true),
            ("u64", true),
            ("String", true),
            ("Option<u8>", true),
            ("&str", true),
            ("!", true),
            ("Result<(), E>", false),
            ("anyhow::Result<()>", false),
            ("MyAlias", false),
            ("Self::Answer", false),
        ] {
            assert_eq!(
                not_a_result(&syn::parse_str(ty).unwrap()).is_some(),
                plain,
                "{ty}"
            );
        }
    }

    #[test]
    fn futures_inside_a_result() {
        for (ty, found) in [
            ("Result<impl Future<Output = u8>, E>", true),
            ("Result<Option<BoxFuture<'static, u8>>, E>", true),
            ("Result<(u8, Pin<Box<dyn Future<Output = u8>>>), E>", true),
            ("Result<Box<dyn Debug>, E>", false),
            ("Result<impl Iterator<Item = u8>, E>", false),
        ] {
            assert_eq!(
                hands_out_future(&syn::parse_str(ty).unwrap()),
                found,
                "{ty}"
            );
        }
    }

    #[test]
    fn opaque_types_are_inferred() {
        let ty = nameable(&syn::parse_str("Result<(impl Iterator<Item = u8>, &[u8]), E>").unwrap());
        assert_eq!(write(&ty), "Result < ( _ , & [ u8 ] ) , E >");
    }
}
