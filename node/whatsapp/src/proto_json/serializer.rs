//! The serde serializer behind the JSON mapping.

use base64::Engine as _;
use serde::ser::{self, Serialize};
use serde_json::{Map, Value};

use super::numbers;

/// What a field became.
pub(super) enum Node {
    /// It is not set.
    Absent,
    /// One byte of a bytes field.
    Byte(u8),
    /// The chosen one of several fields.
    Choice(Value),
    /// Anything else.
    Value(Value),
}

impl Node {
    fn into_value(self) -> Option<Value> {
        match self {
            Self::Absent => None,
            Self::Byte(byte) => Some(Value::from(byte)),
            Self::Choice(value) | Self::Value(value) => Some(value),
        }
    }
}

/// A type the schema has no place for.
#[derive(Debug, thiserror::Error)]
#[error("write protobuf json: {0}")]
pub(super) struct Error(String);

impl ser::Error for Error {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

/// The serializer of one value.
pub(super) struct ToNode;

/// Collects a list, or the bytes of a bytes field.
pub(super) struct List(Vec<Node>);

/// Collects an object; `variant` wraps it in one more.
pub(super) struct Object {
    fields: Map<String, Value>,
    key: Option<String>,
    variant: Option<&'static str>,
}

fn value(value: impl Into<Value>) -> Result<Node, Error> {
    Ok(Node::Value(value.into()))
}

fn wrapped(variant: &'static str, inner: Node) -> Node {
    let mut fields = Map::new();
    if let Some(inner) = inner.into_value() {
        fields.insert(variant.to_owned(), inner);
    }
    Node::Choice(Value::Object(fields))
}

impl List {
    fn finish(self) -> Node {
        // Only bytes fields serialize as single bytes; the schema has no list of 8-bit numbers.
        let bytes: Option<Vec<u8>> = self
            .0
            .iter()
            .map(|node| match node {
                Node::Byte(byte) => Some(*byte),
                Node::Absent | Node::Choice(_) | Node::Value(_) => None,
            })
            .collect();
        match bytes {
            Some(bytes) if bytes.is_empty() => Node::Absent,
            Some(bytes) => Node::Value(
                base64::engine::general_purpose::STANDARD
                    .encode(bytes)
                    .into(),
            ),
            None => Node::Value(Value::Array(
                self.0.into_iter().filter_map(Node::into_value).collect(),
            )),
        }
    }
}

impl Object {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            fields: Map::new(),
            key: None,
            variant,
        }
    }

    fn put(&mut self, name: String, node: Node) {
        if let Some(value) = node.into_value() {
            self.fields.insert(name, value);
        }
    }

    fn finish(self) -> Node {
        let object = Node::Value(Value::Object(self.fields));
        match self.variant {
            Some(variant) => wrapped(variant, object),
            None => object,
        }
    }
}

impl ser::Serializer for ToNode {
    type Ok = Node;
    type Error = Error;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Object;
    type SerializeStruct = Object;
    type SerializeStructVariant = Object;

    fn serialize_bool(self, v: bool) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_i8(self, v: i8) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_i16(self, v: i16) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_i32(self, v: i32) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_i64(self, v: i64) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_u8(self, v: u8) -> Result<Node, Error> {
        Ok(Node::Byte(v))
    }
    fn serialize_u16(self, v: u16) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_u32(self, v: u32) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_u64(self, v: u64) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_f32(self, v: f32) -> Result<Node, Error> {
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Result<Node, Error> {
        value(
            serde_json::Number::from_f64(v)
                .map_or_else(|| Value::from(v.to_string()), Value::Number),
        )
    }
    fn serialize_char(self, v: char) -> Result<Node, Error> {
        value(v.to_string())
    }
    fn serialize_str(self, v: &str) -> Result<Node, Error> {
        value(v)
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<Node, Error> {
        Ok(List(v.iter().map(|byte| Node::Byte(*byte)).collect()).finish())
    }
    fn serialize_none(self) -> Result<Node, Error> {
        Ok(Node::Absent)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<Node, Error> {
        v.serialize(self)
    }
    fn serialize_unit(self) -> Result<Node, Error> {
        Ok(Node::Absent)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Node, Error> {
        Ok(Node::Absent)
    }
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<Node, Error> {
        value(numbers::of(name, variant, index))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        v: &T,
    ) -> Result<Node, Error> {
        v.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Result<Node, Error> {
        Ok(wrapped(variant, v.serialize(Self)?))
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<List, Error> {
        Ok(List(Vec::with_capacity(length.unwrap_or(0))))
    }
    fn serialize_tuple(self, length: usize) -> Result<List, Error> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List, Error> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        length: usize,
    ) -> Result<List, Error> {
        self.serialize_seq(Some(length))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Object, Error> {
        Ok(Object::new(None))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object, Error> {
        Ok(Object::new(None))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object, Error> {
        Ok(Object::new(Some(variant)))
    }
}

impl ser::SerializeSeq for List {
    type Ok = Node;
    type Error = Error;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Error> {
        self.0.push(v.serialize(ToNode)?);
        Ok(())
    }
    fn end(self) -> Result<Node, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTuple for List {
    type Ok = Node;
    type Error = Error;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, v)
    }
    fn end(self) -> Result<Node, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for List {
    type Ok = Node;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, v)
    }
    fn end(self) -> Result<Node, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleVariant for List {
    type Ok = Node;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, v)
    }
    fn end(self) -> Result<Node, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeMap for Object {
    type Ok = Node;
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = match key.serialize(ToNode)?.into_value() {
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
            None => None,
        };
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Error> {
        let node = v.serialize(ToNode)?;
        if let Some(key) = self.key.take() {
            self.put(key, node);
        }
        Ok(())
    }
    fn end(self) -> Result<Node, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeStruct for Object {
    type Ok = Node;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        v: &T,
    ) -> Result<(), Error> {
        let node = v.serialize(ToNode)?;
        let name = super::camel_case(key);
        // The field that holds a choice has no tag of its own there, so its Go name stands.
        let name = if matches!(node, Node::Choice(_)) {
            super::capitalised(&name)
        } else {
            name
        };
        self.put(name, node);
        Ok(())
    }
    fn end(self) -> Result<Node, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeStructVariant for Object {
    type Ok = Node;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        v: &T,
    ) -> Result<(), Error> {
        ser::SerializeStruct::serialize_field(self, key, v)
    }
    fn end(self) -> Result<Node, Error> {
        Ok(self.finish())
    }
}
