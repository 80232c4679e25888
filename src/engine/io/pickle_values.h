// Looking at the inert values of a pickle: as texts, bytes, dicts and names.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/pickle.h"

namespace canal::io {

// Whether `id` is an object made by the global called `name` ("collections.OrderedDict").
bool is_object_of(const Pickle& pickle, NodeId id, std::string_view name);

// The global that made the object; "" for anything else, globals that are not in the table
// included: so no object of theirs is ever read as anything.
std::string_view maker_of(const Pickle& pickle, NodeId id);

// The arguments of an object, if they are a tuple of at least `count` values. Throws FormatError.
const std::vector<NodeId>& arguments_of(const Pickle& pickle, NodeId id, size_t count);

std::optional<std::string_view> text_of(const Pickle& pickle, NodeId id);
std::optional<int64_t> integer_of(const Pickle& pickle, NodeId id);

// Bytes in any of the ways pickles write them, Latin-1 text of protocol 2 included.
std::optional<std::string> bytes_of(const Pickle& pickle, NodeId id);

// Items of a tuple or list; nullptr for anything else.
const std::vector<NodeId>* items_of(const Pickle& pickle, NodeId id);

// A tuple of integers, such as a shape. Throws FormatError.
std::vector<int64_t> integers_of(const Pickle& pickle, NodeId id, const char* what);

// The entries of a dict or OrderedDict whose keys are texts, in their order, the last of equal keys
// winning as in Python; nothing for anything that is no dict.
using Entries = std::vector<std::pair<std::string, NodeId>>;
std::optional<Entries> entries_of(const Pickle& pickle, NodeId id);

// What a value is, in a word or two for a message: "dict", "tensor", "argparse.Namespace".
std::string kind_name(const Pickle& pickle, NodeId id);

// A name for a message, cut where it is long.
std::string shortened(std::string_view name);

}  // namespace canal::io
