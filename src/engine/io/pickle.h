// Python's pickle format, read into a tree of inert values: nothing is imported, called or built.
//
// Values lie in one arena and refer to each other by number, so a pickle that contains itself costs
// no more than any other, and nothing is ever visited recursively while it is read.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canal::io {

using NodeId = uint32_t;
constexpr NodeId no_node = UINT32_MAX;

enum class NodeKind : uint8_t {
  none,
  boolean,
  integer,
  big_integer,
  real,
  text,    // Python 3's str, UTF-8
  string,  // Python 2's str, bytes that mostly are ASCII
  bytes,
  tuple,
  list,
  set,
  dict,
  global,     // a class or function, by name only
  object,     // a global applied to arguments, were it ever applied
  persistent  // a storage of torch: `arguments` is its description
};

struct Node {
  NodeKind kind = NodeKind::none;
  uint32_t parts = 0;   // place in Pickle::parts, for kinds that have any
  int64_t integer = 0;  // boolean, integer
  double real = 0;
  std::string_view text;  // text, string, bytes, big_integer; of a global "module.name"
};

struct NodeParts {
  NodeId callable = no_node;                     // object
  NodeId arguments = no_node;                    // object, persistent
  NodeId state = no_node;                        // object: what BUILD gave it
  std::vector<NodeId> items;                     // tuple, list, set; what was appended to an object
  std::vector<std::pair<NodeId, NodeId>> pairs;  // dict; what was set in an object
};

// Texts are views into the bytes that were read, which must outlive this.
struct Pickle {
  std::deque<Node> nodes;         // not moved as they grow, which would take twice the memory
  std::deque<NodeParts> parts;    // parts[0] is empty and belongs to every simple value
  std::deque<std::string> owned;  // texts that differ from their bytes in the file
  NodeId root = no_node;
  size_t end = 0;  // where the pickle ended

  const Node& node(NodeId id) const { return nodes.at(id); }
  const NodeParts& parts_of(NodeId id) const { return parts.at(node(id).parts); }
};

// Reads the pickle that starts at `start`. Throws FormatError.
Pickle read_pickle(std::string_view bytes, size_t start);

}  // namespace canal::io
