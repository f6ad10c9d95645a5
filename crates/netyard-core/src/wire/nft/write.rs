//! Tables and their changes as messages.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::*;
use crate::name::YardName;
use crate::nft::expr::{Collection, Element, Expr, NESTED, SET_ANONYMOUS, SET_MAP, nest};
use crate::nft::{Chain, Edit, Flowtable, Policy, Rule, Table};
use crate::state::FlowDevice;

/// Most bytes of elements in one message: the length of an attribute has 16 bits.
const ELEMENTS: usize = 60_000;
/// The key of the mark in the userdata of tables and rules; nft passes over those
/// that it does not know (`NFTNL_UDATA_*`).
const MARK: u8 = 78;

/// Messages of one transaction, and of which edit each is.
#[derive(Debug, Default)]
pub struct Transaction {
    /// In order, without begin and end.
    pub messages: Vec<Message>,
    /// For each message, its edit's position; none for the table itself.
    pub owners: Vec<Option<usize>>,
    owner: Option<usize>,
    sets: u32,
}

/// The message before a transaction's: it fails (`ERESTART`) when the ruleset is
/// not of that generation any more.
pub fn begin(generation: Option<u32>) -> Message {
    let mut body = header(0, SUBSYSTEM >> 8);
    if let Some(generation) = generation {
        push_be32(&mut body, 1, generation);
    }
    Message { ty: 16, flags: 0, body }
}

/// The message after a transaction's.
pub fn end() -> Message {
    Message { ty: 17, flags: 0, body: header(0, SUBSYSTEM >> 8) }
}

/// The userdata by which a table is known as a yard's: what nft shows as its
/// comment, and the yard's whole name.
pub(super) fn table_mark(yard: &YardName) -> Vec<u8> {
    let comment = format!("netyard: yard {yard}");
    let comment = if comment.len() < 128 { comment } else { "netyard".to_owned() };
    let mut data = userdata(0, &[comment.as_bytes(), b"\0"].concat());
    // One byte says how long it is: two halves of a long name.
    for part in yard.as_str().as_bytes().chunks(100) {
        data.extend(userdata(MARK, part));
    }
    data
}

/// The userdata of a rule: its comment, and what it was made of as a hash.
fn rule_mark(rule: &Rule, expressions: &[Expr]) -> Vec<u8> {
    let mut data = Vec::new();
    if let Some(comment) = &rule.comment {
        data.extend(userdata(0, &[comment.as_bytes(), b"\0"].concat()));
    }
    data.extend(userdata(MARK, &identity(expressions).to_be_bytes()));
    data
}

pub(super) const fn mark_key() -> u8 {
    MARK
}

fn userdata(key: u8, value: &[u8]) -> Vec<u8> {
    let mut data = vec![key, u8::try_from(value.len()).unwrap_or(u8::MAX)];
    data.extend(value);
    data
}

/// A hash of expressions, with what their sets hold.
pub(super) fn identity(expressions: &[Expr]) -> u64 {
    let (mut bytes, mut encoded) = (Vec::with_capacity(512), Vec::with_capacity(128));
    for expression in expressions {
        encoded.clear();
        expression.encode(&mut encoded);
        bytes.extend(&encoded);
        for element in expression.set.iter().flat_map(|set| &set.elements) {
            bytes.extend(&element.key);
            bytes.extend(element.flags.to_be_bytes());
            bytes.extend(&element.data);
        }
    }
    crate::name::fnv1a(&[&bytes])
}

impl Transaction {
    /// Makes a table and all that is in it.
    pub fn make(&mut self, yard: &YardName, table: &Table) {
        let mut body = self.body(&table.name);
        push(&mut body, 6, &table_mark(yard));
        // NFTA_TABLE_FLAGS: none.
        push_be32(&mut body, 2, 0);
        self.push(NEW_TABLE, NLM_F_CREATE | NLM_F_EXCL, body);
        self.edit(&table.name, &crate::nft::edits(None, table), &Handles::default());
    }

    /// Takes a table away with all that is in it.
    pub fn delete(&mut self, table: &str) {
        let body = self.body(table);
        self.owner = None;
        self.push(DEL_TABLE, 0, body);
    }

    /// Makes edits of a table whose rules have these handles.
    pub fn edit(&mut self, table: &str, edits: &[Edit<'_>], handles: &Handles) {
        for (number, edit) in edits.iter().enumerate() {
            self.owner = Some(number);
            self.one(table, edit, handles);
        }
        self.owner = None;
    }

    fn one(&mut self, table: &str, edit: &Edit<'_>, handles: &Handles) {
        match edit {
            Edit::AddSet(set) => self.named_set(table, &set.name, &set.collection()),
            Edit::AddLearned(set) => self.named_set(table, &set.name, &set.collection()),
            Edit::AddOther(set) => self.named_set(table, &set.name, &set.collection),
            Edit::RemoveSet(set) => self.remove_named(DEL_SET, table, 2, &set.name),
            Edit::RemoveLearned(set) => self.remove_named(DEL_SET, table, 2, &set.name),
            Edit::RemoveOther(set) => self.remove_named(DEL_SET, table, 2, &set.name),
            Edit::AddElements(set, elements) => {
                let elements = set.only(elements);
                self.elements(NEW_ELEMENTS, table, &set.name, None, &elements);
            }
            Edit::RemoveElements(set, elements) => {
                let elements = set.only(elements);
                self.elements(DEL_ELEMENTS, table, &set.name, None, &elements);
            }
            Edit::AddFlowtable(flowtable) => self.flowtable(table, flowtable),
            Edit::RemoveFlowtable(flowtable) => {
                self.remove_named(DEL_FLOWTABLE, table, 2, &flowtable.name);
            }
            Edit::AddChain(chain) | Edit::SetPolicy(chain) => self.chain(table, chain),
            Edit::RemoveChain(chain) => self.remove_named(DEL_CHAIN, table, 3, &chain.name),
            Edit::RemoveRule { chain, index } => {
                let mut body = self.body(table);
                push_text(&mut body, 2, &chain.name);
                push(&mut body, 3, &handles.of(&chain.name, *index).to_be_bytes());
                self.push(DEL_RULE, 0, body);
            }
            Edit::AddRule { chain, index, before } => {
                let before = before.map(|index| handles.of(&chain.name, index));
                self.rule(table, &chain.name, &chain.rules[*index], before);
            }
        }
    }

    /// Puts a device into its flowtable, or takes it out.
    pub fn flow_device(&mut self, device: &FlowDevice, kernel_name: &str, there: bool) {
        let mut body = self.body(&device.table);
        push_text(&mut body, 2, &device.flowtable);
        let mut hook = hook(0, device.priority);
        let mut names = Vec::new();
        push_text(&mut names, 1, kernel_name);
        push(&mut hook, 3 | NESTED, &names);
        push(&mut body, 3 | NESTED, &hook);
        let (ty, flags) = if there { (NEW_FLOWTABLE, NLM_F_CREATE) } else { (DEL_FLOWTABLE, 0) };
        self.push(ty, flags, body);
    }

    fn body(&self, table: &str) -> Vec<u8> {
        let mut body = header(INET, 0);
        push_text(&mut body, 1, table);
        body
    }

    fn push(&mut self, ty: u16, flags: u16, body: Vec<u8>) {
        self.messages.push(Message { ty, flags, body });
        self.owners.push(self.owner);
    }

    fn remove_named(&mut self, ty: u16, table: &str, attribute: u16, name: &str) {
        let mut body = self.body(table);
        push_text(&mut body, attribute, name);
        self.push(ty, 0, body);
    }

    fn chain(&mut self, table: &str, chain: &Chain) {
        let mut body = self.body(table);
        push_text(&mut body, 3, &chain.name);
        if let Some(base) = &chain.base {
            push(&mut body, 4 | NESTED, &hook(base.hook.number(), base.priority));
            push_be32(&mut body, 5, u32::from(base.policy == Policy::Accept));
            push_text(&mut body, 7, base.kind.word());
        }
        self.push(NEW_CHAIN, NLM_F_CREATE, body);
    }

    fn flowtable(&mut self, table: &str, flowtable: &Flowtable) {
        let mut body = self.body(table);
        push_text(&mut body, 2, &flowtable.name);
        let mut hook = hook(0, flowtable.priority);
        push(&mut hook, 3 | NESTED, &[]);
        push(&mut body, 3 | NESTED, &hook);
        self.push(NEW_FLOWTABLE, NLM_F_CREATE, body);
    }

    fn rule(&mut self, table: &str, chain: &str, rule: &Rule, before: Option<u64>) {
        let compiled = rule.compile();
        let mark = rule_mark(rule, &compiled);
        let mut list = Vec::with_capacity(96 * compiled.len());
        for mut expression in compiled {
            if let Some(set) = expression.set.take() {
                let (name, id) = self.anonymous(table, &set);
                expression = expression.text(1, &name).be32(4, id);
            }
            nest(&mut list, 1 | NESTED, |list| expression.encode(list));
        }
        let mut body = self.body(table);
        push_text(&mut body, 2, chain);
        push(&mut body, 4 | NESTED, &list);
        push(&mut body, 7, &mark);
        // Without NLM_F_APPEND it comes before the rule of that handle.
        let flags = match before {
            None => NLM_F_CREATE | NLM_F_APPEND,
            Some(handle) => {
                push(&mut body, 6, &handle.to_be_bytes());
                NLM_F_CREATE
            }
        };
        self.push(NEW_RULE, flags, body);
    }

    /// A set without a name: known by a number within the transaction, which the
    /// kernel makes a name of.
    fn anonymous(&mut self, table: &str, set: &Collection) -> (String, u32) {
        let name = if set.flags & SET_MAP == 0 { "__set%d" } else { "__map%d" };
        self.sets += 1;
        let set_flags = Collection { flags: set.flags | SET_ANONYMOUS, ..set.clone() };
        self.set(table, name, self.sets, &set_flags);
        self.elements(NEW_ELEMENTS, table, name, Some(self.sets), &set.elements);
        (name.to_owned(), self.sets)
    }

    fn named_set(&mut self, table: &str, name: &str, set: &Collection) {
        self.sets += 1;
        self.set(table, name, self.sets, set);
        self.elements(NEW_ELEMENTS, table, name, None, &set.elements);
    }

    fn set(&mut self, table: &str, name: &str, id: u32, set: &Collection) {
        let mut body = self.body(table);
        push_text(&mut body, 2, name);
        push_be32(&mut body, 3, set.flags);
        push_be32(&mut body, 4, set.key_type);
        push_be32(&mut body, 5, set.key_len);
        if set.flags & SET_MAP != 0 {
            push_be32(&mut body, 6, set.data_type);
            // Of a verdict the kernel knows the length.
            push_be32(&mut body, 7, if set.data_len == 0 { 16 } else { set.data_len });
        }
        if set.timeout > 0 {
            push(&mut body, 11, &set.timeout.to_be_bytes());
        }
        push_be32(&mut body, 10, id);
        push(&mut body, 13, &byte_orders(set));
        let mut desc = Vec::new();
        if set.size > 0 {
            push_be32(&mut desc, 1, set.size);
        }
        if !set.fields.is_empty() {
            let mut fields = Vec::new();
            for length in &set.fields {
                let mut field = Vec::new();
                push_be32(&mut field, 1, *length);
                push(&mut fields, 1 | NESTED, &field);
            }
            push(&mut desc, 2 | NESTED, &fields);
        }
        if !desc.is_empty() {
            push(&mut body, 9 | NESTED, &desc);
        }
        self.push(NEW_SET, NLM_F_CREATE, body);
    }

    fn elements(&mut self, ty: u16, table: &str, set: &str, id: Option<u32>, elements: &[Element]) {
        let mut elements = elements.iter().peekable();
        while elements.peek().is_some() {
            let mut list = Vec::new();
            while let Some(element) = elements.next_if(|_| list.len() < ELEMENTS) {
                push(&mut list, 1 | NESTED, &encoded(element));
            }
            let mut body = self.body(table);
            push_text(&mut body, 2, set);
            if let Some(id) = id {
                push_be32(&mut body, 4, id);
            }
            push(&mut body, 3 | NESTED, &list);
            let flags = if ty == NEW_ELEMENTS { NLM_F_CREATE } else { 0 };
            self.push(ty, flags, body);
        }
    }
}

fn encoded(element: &Element) -> Vec<u8> {
    use crate::nft::expr::attribute_of;
    let mut bytes = Vec::with_capacity(48);
    push(&mut bytes, 1 | NESTED, &attribute_of(1, &element.key));
    if !element.key_end.is_empty() {
        push(&mut bytes, 10 | NESTED, &attribute_of(1, &element.key_end));
    }
    if element.flags != 0 {
        push_be32(&mut bytes, 3, element.flags);
    }
    if !element.data.is_empty() {
        push(&mut bytes, 2 | NESTED, &element.data);
    }
    bytes
}

/// How nft shall read keys and values (`NFTNL_UDATA_SET_KEYBYTEORDER` and
/// `…DATABYTEORDER`): names of interfaces are texts, all else is numbers in
/// network byte order.
fn byte_orders(set: &Collection) -> Vec<u8> {
    let order = |kind: u32| if kind == 41 { 1_u32 } else { 2 };
    let mut data = userdata(0, &order(set.key_type).to_ne_bytes());
    if set.flags & SET_MAP != 0 && set.data_len > 0 {
        data.extend(userdata(1, &order(set.data_type).to_ne_bytes()));
    }
    data
}

fn hook(number: u32, priority: i32) -> Vec<u8> {
    let mut hook = Vec::new();
    push_be32(&mut hook, 1, number);
    push(&mut hook, 2, &priority.to_be_bytes());
    hook
}
