//! What ties rows to a person: the ways from an identity to every collection, over references, across systems. Pure.
//!
//! The rules of this room: a way never goes round in a circle, since a collection is found only through collections that
//! stand before it; the order depends on the policy alone; and a link whose origin would be erased before its rows are is
//! marked *captured*, so that the keys are kept aside before the first row goes.

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::{self, Direction, visit};
use super::{Bundle, Collection, Place, Template, place};

/// A field here and the field elsewhere whose values it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The field of the collection, with dots for fields inside fields; `key` for objects.
    pub field: String,
    /// The field that it holds the values of.
    pub origin_field: String,
}

/// Where a link comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The subject's own row: its values are captured, sealed, when the request is resolved.
    Subject,
    /// The person's rows of another collection, by its full name.
    Collection(String),
}

/// One way in which rows of a collection are tied to a person. Several pairs must hold at once (a composite key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The fields, at least one.
    pub pairs: Vec<Pair>,
    /// Where their values come from.
    pub origin: Origin,
    /// Whether the values are captured in a step of their own before anything is read or erased through this link.
    /// Otherwise they are in the request already (the subject's), or the database finds them itself in the same query.
    pub captured: bool,
}

impl Link {
    /// A link to the subject's own row.
    #[must_use]
    pub fn to_subject(field: &str, subject_field: &str) -> Self {
        let pair = Pair { field: field.to_owned(), origin_field: subject_field.to_owned() };
        Self { pairs: vec![pair], origin: Origin::Subject, captured: false }
    }

    /// The field by which a policy names the link: the first.
    #[must_use]
    pub fn field(&self) -> &str {
        self.pairs.first().map_or("", |pair| pair.field.as_str())
    }

    /// The field of the subject collection that it holds, if it leads there.
    #[must_use]
    pub fn subject_field(&self) -> Option<&str> {
        match self.origin {
            Origin::Subject => self.pairs.first().map(|pair| pair.origin_field.as_str()),
            Origin::Collection(_) => None,
        }
    }

    /// The name of the set of keys that is captured for it: the collection and its fields.
    #[must_use]
    pub fn key_set(&self) -> Option<KeySet> {
        match &self.origin {
            Origin::Collection(collection) if self.captured => {
                let fields = self.pairs.iter().map(|pair| pair.origin_field.clone()).collect();
                Some(KeySet { collection: collection.clone(), fields })
            }
            _ => None,
        }
    }
}

/// Values of some fields of the person's rows of a collection, captured before anything goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeySet {
    /// The collection, by its full name.
    pub collection: String,
    /// Its fields.
    pub fields: Vec<String>,
}

/// The ways to all collections.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    routes: BTreeMap<String, Route>,
    not_followed: Vec<(String, String)>,
    circular_order: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Route {
    links: Vec<Link>,
    /// How many collections stand before it on the longest way from the subject.
    level: usize,
    /// At which stage of an erasure it goes.
    erase_stage: usize,
}

/// A reference, in the direction in which values go.
struct Edge {
    from: String,
    to: String,
    pair: Pair,
}

impl Graph {
    /// The ways through the collections that the systems of a bundle hold. References that lead nowhere are left out, and
    /// found by the check.
    #[must_use]
    pub fn of(bundle: &Bundle) -> Self {
        let collections = dataset::by_name(&bundle.datasets);
        let held: BTreeMap<&str, (&Collection, Place<'_>)> = collections
            .iter()
            .filter_map(|(name, collection)| Some((name.as_str(), (*collection, place(&bundle.policy, name)?))))
            .filter(|(_, (collection, _))| !collection.is_skipped())
            .collect();
        let mut edges = Vec::new();
        for (name, (collection, place)) in &held {
            collect_edges(name, collection, *place, &held, &mut edges);
        }
        let mut graph = Self::default();
        for name in held.keys() {
            graph
                .routes
                .insert((*name).to_owned(), Route { links: own_links(bundle, name, &held), ..Route::default() });
        }
        graph.place_all(&bundle.policy.subject.collection, &edges, &held);
        graph.order_erasure(bundle, &held);
        graph
    }

    /// Full names of all collections, in order of their names.
    pub fn collections(&self) -> impl Iterator<Item = &str> {
        self.routes.keys().map(String::as_str)
    }

    /// The links of a collection; none: nothing leads there.
    #[must_use]
    pub fn links(&self, collection: &str) -> &[Link] {
        self.routes.get(collection).map_or(&[], |route| route.links.as_slice())
    }

    /// How many collections stand before it on the longest way from the subject.
    #[must_use]
    pub fn level(&self, collection: &str) -> usize {
        self.routes.get(collection).map_or(0, |route| route.level)
    }

    /// At which stage of an erasure it goes: what is found through others before those, the subject's own row last.
    #[must_use]
    pub fn erase_stage(&self, collection: &str) -> usize {
        self.routes.get(collection).map_or(0, |route| route.erase_stage)
    }

    /// References, from and to, that are not followed because they would go round in a circle.
    #[must_use]
    pub fn not_followed(&self) -> &[(String, String)] {
        &self.not_followed
    }

    /// Collections whose `erase_after` go round in a circle.
    #[must_use]
    pub fn circular_order(&self) -> &[String] {
        &self.circular_order
    }

    /// The sets of keys that have to be captured, by the level of their collections.
    #[must_use]
    pub fn captures(&self) -> BTreeMap<usize, BTreeSet<KeySet>> {
        let mut captures: BTreeMap<usize, BTreeSet<KeySet>> = BTreeMap::new();
        for set in self.routes.values().flat_map(|route| route.links.iter().filter_map(Link::key_set)) {
            captures.entry(self.level(&set.collection)).or_default().insert(set);
        }
        captures
    }

    /// Places collections one after the other: first those all of whose origins are placed; if there are none, the
    /// nearest one to what is placed, whose other references would close a circle.
    fn place_all(&mut self, subject: &str, edges: &[Edge], held: &Held<'_>) {
        let reachable = self.reachable(subject, edges);
        let mut placed: BTreeMap<&str, usize> = BTreeMap::new();
        if reachable.contains(subject) {
            placed.insert(subject, 0);
        }
        while placed.len() < reachable.len() {
            let waits_for = |name: &str| {
                edges.iter().any(|edge| {
                    edge.to == name && reachable.contains(&edge.from) && !placed.contains_key(edge.from.as_str())
                })
            };
            let led_to = |name: &str| {
                !self.routes[name].links.is_empty()
                    || edges.iter().any(|edge| edge.to == name && placed.contains_key(edge.from.as_str()))
            };
            let left: Vec<&str> =
                reachable.iter().map(String::as_str).filter(|name| !placed.contains_key(name)).collect();
            let next = left.iter().copied().find(|name| !waits_for(name)).or_else(|| {
                left.iter().copied().filter(|name| led_to(name)).min_by_key(|name| nearest(name, edges, &placed))
            });
            let Some(next) = next else { break };
            let links = links_from(next, subject, edges, &placed, held);
            let level = 1 + links.iter().map(|link| origin_level(link, &placed)).max().unwrap_or(0);
            placed.insert(next, level);
            if let Some(route) = self.routes.get_mut(next) {
                route.level = level;
                for link in links {
                    if !route.links.iter().any(|known| known.pairs == link.pairs && known.origin == link.origin) {
                        route.links.push(link);
                    }
                }
            }
        }
        for edge in edges.iter().filter(|edge| reachable.contains(&edge.from) && reachable.contains(&edge.to)) {
            let used = edge.to == subject
                || self.links(&edge.to).iter().any(|link| match &link.origin {
                    Origin::Subject => edge.from == subject,
                    Origin::Collection(from) => *from == edge.from,
                });
            let pair = (edge.from.clone(), edge.to.clone());
            if !used && !self.not_followed.contains(&pair) {
                self.not_followed.push(pair);
            }
        }
    }

    fn reachable(&self, subject: &str, edges: &[Edge]) -> BTreeSet<String> {
        let led_to = self.routes.iter().filter(|(name, route)| *name == subject || !route.links.is_empty());
        let mut reachable: BTreeSet<String> = led_to.map(|(name, _)| name.clone()).collect();
        loop {
            let more: Vec<String> = edges
                .iter()
                .filter(|edge| reachable.contains(&edge.from) && !reachable.contains(&edge.to))
                .map(|edge| edge.to.clone())
                .collect();
            if more.is_empty() {
                return reachable;
            }
            reachable.extend(more);
        }
    }

    /// Decides at which stage of an erasure each collection goes, and which keys must be captured for it: those of an
    /// origin that goes first because `erase_after` says so, and those that the system of the rows cannot look up.
    fn order_erasure(&mut self, bundle: &Bundle, held: &Held<'_>) {
        let subject = bundle.policy.subject.collection.clone();
        let mut first: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, (collection, _)) in held {
            for earlier in collection.erase_after().filter(|earlier| held.contains_key(earlier.as_str())) {
                first.entry((*name).to_owned()).or_default().insert(earlier);
            }
        }
        // What is moved is looked for where it was before it is looked for where it is.
        for (name, rule) in &bundle.policy.collections {
            if let Some(to) = rule.erasure.move_to().filter(|to| to != name && held.contains_key(to)) {
                first.entry(to.to_owned()).or_default().insert(name.clone());
            }
        }
        self.circular_order =
            held.keys().filter(|name| goes_before(&first, name, name)).map(|name| (*name).to_owned()).collect();
        let names: Vec<String> = self.routes.keys().cloned().collect();
        for name in &names {
            let Some(route) = self.routes.get_mut(name) else { continue };
            for link in &mut route.links {
                let Origin::Collection(origin) = &link.origin else { continue };
                let same = held.get(origin.as_str()).zip(held.get(name.as_str()));
                let same_database = same.is_some_and(|((_, one), (_, other))| one.is_same_database(*other));
                link.captured = !same_database || goes_before(&first, origin, name);
                if !link.captured {
                    first.entry(origin.clone()).or_default().insert(name.clone());
                }
            }
        }
        for name in names.iter().filter(|name| **name != subject) {
            if !goes_before(&first, &subject, name) {
                first.entry(subject.clone()).or_default().insert(name.clone());
            }
        }
        for name in &names {
            let stage = stage_of(&first, name, names.len());
            if let Some(route) = self.routes.get_mut(name) {
                route.erase_stage = stage;
            }
        }
    }
}

type Held<'a> = BTreeMap<&'a str, (&'a Collection, Place<'a>)>;

/// Whether `one` must go before `other`. `first` names for each collection those that go before it.
fn goes_before(first: &BTreeMap<String, BTreeSet<String>>, one: &str, other: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut ahead: Vec<&str> = first.get(other).into_iter().flatten().map(String::as_str).collect();
    while let Some(name) = ahead.pop() {
        if name == one {
            return true;
        }
        if seen.insert(name) {
            ahead.extend(first.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// The longest chain of collections that go before this one; bounded, since a circle (which the check refuses) has no end.
fn stage_of(first: &BTreeMap<String, BTreeSet<String>>, name: &str, most: usize) -> usize {
    if most == 0 {
        return 0;
    }
    first.get(name).into_iter().flatten().map(|earlier| 1 + stage_of(first, earlier, most - 1)).max().unwrap_or(0)
}

fn nearest(name: &str, edges: &[Edge], placed: &BTreeMap<&str, usize>) -> usize {
    edges
        .iter()
        .filter(|edge| edge.to == name)
        .filter_map(|edge| placed.get(edge.from.as_str()))
        .min()
        .copied()
        .unwrap_or(0)
}

fn origin_level(link: &Link, placed: &BTreeMap<&str, usize>) -> usize {
    match &link.origin {
        Origin::Subject => 0,
        Origin::Collection(name) => placed.get(name.as_str()).copied().unwrap_or(0),
    }
}

/// Links over references from what is placed. References of a composite key hold at once; others each for itself.
fn links_from(name: &str, subject: &str, edges: &[Edge], placed: &BTreeMap<&str, usize>, held: &Held<'_>) -> Vec<Link> {
    let mut by_origin: BTreeMap<&str, Vec<Pair>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.to == name && placed.contains_key(edge.from.as_str())) {
        let pair = edge.pair.clone();
        let pairs = by_origin.entry(edge.from.as_str()).or_default();
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let mut links = Vec::new();
    for (from, mut pairs) in by_origin {
        pairs.sort();
        let origin = if from == subject { Origin::Subject } else { Origin::Collection(from.to_owned()) };
        let is_composite = origin != Origin::Subject
            && (covers_key(held, from, pairs.iter().map(|pair| pair.origin_field.as_str()))
                || covers_key(held, name, pairs.iter().map(|pair| pair.field.as_str())));
        if is_composite {
            links.push(Link { pairs, origin, captured: false });
        } else {
            let single = |pair| Link { pairs: vec![pair], origin: origin.clone(), captured: false };
            links.extend(pairs.into_iter().map(single));
        }
    }
    links
}

/// Whether these are all the fields of a key of several fields, each once.
fn covers_key<'f>(held: &Held<'_>, name: &str, fields: impl Iterator<Item = &'f str>) -> bool {
    let key: BTreeSet<&str> =
        held.get(name).map(|(collection, _)| collection.primary_key().collect()).unwrap_or_default();
    let fields: Vec<&str> = fields.collect();
    key.len() > 1 && fields.len() == key.len() && fields.iter().all(|field| key.contains(field))
}

/// Links by an identity that the row itself holds: of the subject collection, of an identity field, of a key pattern.
fn own_links(bundle: &Bundle, name: &str, held: &Held<'_>) -> Vec<Link> {
    let subject = &bundle.policy.subject;
    let Some((collection, place)) = held.get(name) else { return Vec::new() };
    if let Some(pattern) = place.pattern() {
        let kind = braces(pattern);
        let found = subject.identities.iter().find(|(candidate, _)| Some(candidate.name()) == kind);
        return found.map(|(_, field)| Link::to_subject("key", field)).into_iter().collect();
    }
    let (mut links, formed) = formed_links(bundle, *place);
    if name == subject.collection {
        let as_they_are = subject.identities.values().filter(|field| !formed.contains(field.as_str()));
        links.extend(as_they_are.map(|field| Link::to_subject(field, field)));
        return links;
    }
    visit(&collection.fields, "", &mut |path, field| {
        let identity = field.fides_meta.identity.as_deref().and_then(|kind| bundle.identity_field(kind));
        let link = identity.map(|identity| Link::to_subject(path, identity)).filter(|link| !links.contains(link));
        links.extend(link);
    });
    links
}

/// Links by the key fields of a table in which an identity stands in a form (`USER#{user_id}`), and the fields of the
/// subject collection that they hold.
fn formed_links<'a>(bundle: &'a Bundle, place: Place<'_>) -> (Vec<Link>, BTreeSet<&'a str>) {
    let (mut links, mut formed) = (Vec::new(), BTreeSet::new());
    for (field, form) in place.table().into_iter().flat_map(|table| &table.links) {
        let identity = Template::of(form).and_then(|form| bundle.identity_field(form.name));
        if let Some(identity) = identity {
            links.push(Link::to_subject(field, identity));
            formed.insert(identity);
        }
    }
    (links, formed)
}

/// What stands in braces in a key pattern.
fn braces(pattern: &str) -> Option<&str> {
    Some(pattern.split_once('{')?.1.split_once('}')?.0)
}

fn collect_edges(name: &str, collection: &Collection, place: Place<'_>, held: &Held<'_>, edges: &mut Vec<Edge>) {
    if let Some((from, field)) = place.pattern().and_then(braces).and_then(|path| path.rsplit_once('.')) {
        if held.contains_key(from) {
            edges.push(Edge { from: from.to_owned(), to: name.to_owned(), pair: pair_of("key", field) });
        }
        return;
    }
    for (field, form) in place.table().into_iter().flat_map(|table| &table.links) {
        let Some((from, origin)) = Template::of(form).and_then(|form| form.name.rsplit_once('.')) else { continue };
        if held.contains_key(from) && from != name {
            edges.push(Edge { from: from.to_owned(), to: name.to_owned(), pair: pair_of(field, origin) });
        }
    }
    visit(&collection.fields, "", &mut |path, field| {
        for reference in &field.fides_meta.references {
            let Some((other, other_field)) = reference.field.split_once('.') else { continue };
            let other = format!("{}.{other}", reference.dataset);
            if other == name || !held.contains_key(other.as_str()) {
                continue;
            }
            if reference.direction != Some(Direction::To) {
                edges.push(Edge { from: other.clone(), to: name.to_owned(), pair: pair_of(path, other_field) });
            }
            if reference.direction != Some(Direction::From) {
                edges.push(Edge { from: name.to_owned(), to: other, pair: pair_of(other_field, path) });
            }
        }
    });
}

fn pair_of(field: &str, origin_field: &str) -> Pair {
    Pair { field: field.to_owned(), origin_field: origin_field.to_owned() }
}

#[cfg(test)]
mod tests;
