//! Reads `core/src/api/*.rs`. Only the forms that the documents use are understood; any other is a panic that names it, so
//! that nothing is generated from half a reading.

use std::path::Path;

use syn::{
    Attribute, Expr, ExprLit, File, GenericArgument, Item, ItemStruct, Lit, LitStr, PathArguments,
};

use super::{Also, Document, Field, Module, Type};

/// The modules of documents below `api`, in the order of their names.
///
/// # Panics
/// On a form it does not know.
pub fn read(api: &Path) -> Vec<Module> {
    let mut files: Vec<_> = std::fs::read_dir(api)
        .unwrap_or_else(|error| panic!("{}: {error}", api.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    let mut modules = Vec::new();
    for path in files {
        let source = std::fs::read_to_string(&path).expect("a readable source file");
        let file =
            syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let module = module(&file);
        if !module.documents.is_empty() {
            modules.push(module);
        }
    }
    resolve_links(&mut modules);
    modules
}

fn module(file: &File) -> Module {
    let documents = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) if derives_serialize(&item.attrs) => Some(document(item)),
            _ => None,
        })
        .collect();
    Module { doc: doc(&file.attrs), documents }
}

fn derives_serialize(attributes: &[Attribute]) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        attribute
            .parse_nested_meta(|meta| {
                found |= meta.path.is_ident("Serialize");
                Ok(())
            })
            .expect("a list of derives");
    }
    found
}

/// What serde's attributes say about a struct or field.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    pascal_case: bool,
    deny_unknown_fields: bool,
    skips: bool,
    reader: Option<String>,
}

fn serde(attributes: &[Attribute], place: &str) -> Serde {
    let mut said = Serde::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute
            .parse_nested_meta(|meta| {
                let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match name.as_str() {
                    "default" => {}
                    "deny_unknown_fields" => said.deny_unknown_fields = true,
                    "rename" => said.rename = Some(meta.value()?.parse::<LitStr>()?.value()),
                    "rename_all" => {
                        let rule = meta.value()?.parse::<LitStr>()?.value();
                        assert_eq!(rule, "PascalCase", "{place}: rename_all");
                        said.pascal_case = true;
                    }
                    "skip_serializing_if" => {
                        meta.value()?.parse::<LitStr>()?;
                        said.skips = true;
                    }
                    "deserialize_with" => {
                        said.reader = Some(meta.value()?.parse::<LitStr>()?.value());
                    }
                    other => panic!("{place}: the generator does not know serde's `{other}`"),
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{place}: {error}"));
    }
    said
}

fn document(item: &ItemStruct) -> Document {
    let name = item.ident.to_string();
    let said = serde(&item.attrs, &name);
    let fields = item
        .fields
        .iter()
        .map(|field| {
            let ident = field.ident.as_ref().expect("a named field").to_string();
            let place = format!("{name}.{ident}");
            let own = serde(&field.attrs, &place);
            Field {
                name: own.rename.unwrap_or_else(|| {
                    if said.pascal_case { pascal_case(&ident) } else { ident.clone() }
                }),
                doc: doc(&field.attrs),
                holds: holds(&field.ty, &place),
                may_be_absent: own.skips,
                also: own.reader.map(|reader| match reader.as_str() {
                    "de::environment" => Also::Environment,
                    "de::words" | "de::some_words" => Also::Word,
                    "de::size" => Also::Size,
                    other => panic!("{place}: the generator does not know the reader `{other}`"),
                }),
            }
        })
        .collect();
    Document { name, doc: doc(&item.attrs), strict: said.deny_unknown_fields, fields }
}

/// serde's own rule: the first letter of each word.
fn pascal_case(ident: &str) -> String {
    ident
        .split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_uppercase().collect::<String>() + letters.as_str()
            })
        })
        .collect()
}

fn holds(written: &syn::Type, place: &str) -> Type {
    match written {
        syn::Type::Array(array) => {
            let Expr::Lit(ExprLit { lit: Lit::Int(length), .. }) = &array.len else {
                panic!("{place}: an array without a number");
            };
            let length = length.base10_parse().expect("a length");
            Type::Tuple(Box::new(holds(&array.elem, place)), length)
        }
        syn::Type::Path(path) => {
            let last = path.path.segments.last().expect("a path has a segment");
            let inner = |index: usize| {
                let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                    panic!("{place}: {} without its type", last.ident);
                };
                match arguments.args.iter().nth(index) {
                    Some(GenericArgument::Type(inner)) => Box::new(holds(inner, place)),
                    _ => panic!("{place}: {} without its type", last.ident),
                }
            };
            match last.ident.to_string().as_str() {
                "String" => Type::Text,
                "bool" => Type::Boolean,
                "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => Type::Integer,
                "Value" => Type::Any,
                "Vec" => Type::List(inner(0)),
                "BTreeMap" => Type::Map(inner(1)),
                "Option" => Type::Nullable(inner(0)),
                document => Type::Document(document.to_owned()),
            }
        }
        _ => panic!("{place}: a type the generator does not know"),
    }
}

fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        let meta = attribute.meta.require_name_value().expect("a doc comment");
        if let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &meta.value {
            lines.push(line.value().trim().to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}

/// Turn rustdoc's links into plain code: ``[`ContainerExit::reason`]`` becomes `` `ContainerExit.Reason` ``.
fn resolve_links(modules: &mut [Module]) {
    let resolve = |text: &mut String| {
        while let Some((start, end)) =
            text.find("[`").and_then(|start| Some((start, start + text[start..].find("`]")?)))
        {
            let link = match text[start + 2..end].split_once("::") {
                Some((document, field)) => format!("`{document}.{}`", pascal_case(field)),
                None => format!("`{}`", &text[start + 2..end]),
            };
            text.replace_range(start..end + 2, &link);
        }
    };
    for module in modules {
        resolve(&mut module.doc);
        for document in &mut module.documents {
            resolve(&mut document.doc);
            document.fields.iter_mut().for_each(|field| resolve(&mut field.doc));
        }
    }
}
