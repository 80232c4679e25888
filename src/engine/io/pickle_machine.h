// The stack machine under the pickle reader: values, marks, and what may be done to them.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "engine/io/bytes.h"
#include "engine/io/pickle.h"

namespace canal::io {

// One byte of a pickle can ask for a value of a hundred: far more values than any checkpoint has
// are refused before they fill the memory.
constexpr size_t most_values = size_t{1} << 25;

// More than any module and class are called.
constexpr size_t longest_global = 1000;

// Python's machine, with values that stay what they are.
class PickleMachine {
 protected:
  PickleMachine(std::string_view bytes, size_t start) : in_(bytes, start) {
    out_.parts.emplace_back();
  }

  NodeId add(Node node) {
    if (out_.nodes.size() >= most_values) {
      throw FormatError("holds more than " + std::to_string(most_values) + " pickled values");
    }
    out_.nodes.push_back(node);
    return static_cast<NodeId>(out_.nodes.size() - 1);
  }

  bool push(Node node) {
    stack_.push_back(add(node));
    return true;
  }

  bool push_text(NodeKind kind, std::string_view text) {
    Node node;
    node.kind = kind;
    node.text = text;
    return push(node);
  }

  bool push_integer(int64_t value, NodeKind kind = NodeKind::integer) {
    Node node;
    node.kind = kind;
    node.integer = value;
    return push(node);
  }

  bool push_real(double value) {
    Node node;
    node.kind = NodeKind::real;
    node.real = value;
    return push(node);
  }

  // A value with parts; returns them to be filled, valid until the next call.
  NodeParts& push_parts(NodeKind kind) {
    Node node;
    node.kind = kind;
    node.parts = static_cast<uint32_t>(out_.parts.size());
    push(node);
    out_.parts.emplace_back();
    return out_.parts.back();
  }

  bool push_sequence(NodeKind kind, std::vector<NodeId> items) {
    push_parts(kind).items = std::move(items);
    return true;
  }

  bool push_object(NodeId callable, NodeId arguments) {
    NodeParts& parts = push_parts(NodeKind::object);
    parts.callable = callable;
    parts.arguments = arguments;
    return true;
  }

  bool push_global(std::string_view module, std::string_view name) {
    // The same texts may be joined again and again.
    if (module.size() + name.size() > longest_global) {
      throw FormatError("is damaged: a pickled global has a name of " +
                        std::to_string(module.size() + name.size()) + " bytes");
    }
    out_.owned.push_back(std::string(module) + "." + std::string(name));
    return push_text(NodeKind::global, out_.owned.back());
  }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  NodeId pop() {
    const NodeId id = top();
    stack_.pop_back();
    return id;
  }

  NodeId top() const {
    if (stack_.size() <= floor()) {
      throw FormatError("is damaged: a pickle opcode before byte " +
                        std::to_string(in_.position()) + " finds its stack empty");
    }
    return stack_.back();
  }

  std::vector<NodeId> pop_to_mark() {
    if (marks_.empty()) {
      throw FormatError("is damaged: a pickle opcode before byte " +
                        std::to_string(in_.position()) + " finds no mark");
    }
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<NodeId> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  std::vector<NodeId> pop_some(size_t count) {
    std::vector<NodeId> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  const Node& node(NodeId id) const { return out_.nodes[id]; }

  NodeParts& parts_for(NodeId id, NodeKind plain, const char* what) {
    const NodeKind kind = node(id).kind;
    if (kind != plain && kind != NodeKind::object) {
      throw FormatError(std::string("is damaged: ") + what + " before byte " +
                        std::to_string(in_.position()) + " meets a value of another kind");
    }
    return out_.parts[node(id).parts];
  }

  bool extend(NodeKind plain, const std::vector<NodeId>& items) {
    NodeParts& parts = parts_for(top(), plain, "adding items");
    parts.items.insert(parts.items.end(), items.begin(), items.end());
    return true;
  }

  bool set_pairs(const std::vector<NodeId>& items) {
    if (items.size() % 2 != 0) throw FormatError("is damaged: a pickled dict has a key too many");
    NodeParts& parts = parts_for(top(), NodeKind::dict, "setting items");
    for (size_t i = 0; i < items.size(); i += 2) parts.pairs.emplace_back(items[i], items[i + 1]);
    return true;
  }

  ByteReader in_;
  Pickle out_;
  std::vector<NodeId> stack_;
  std::vector<size_t> marks_;
};

}  // namespace canal::io
