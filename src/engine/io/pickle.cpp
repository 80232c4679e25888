#include "engine/io/pickle.h"

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <unordered_map>

#include "engine/io/bytes.h"
#include "engine/io/decimal.h"
#include "engine/io/element.h"
#include "engine/io/pickle_machine.h"
#include "engine/io/pickle_table.h"
#include "engine/io/pickle_text.h"

namespace canal::io {

namespace {

constexpr int newest_protocol = 5;

std::string hex(uint8_t value) {
  constexpr char digits[] = "0123456789abcdef";
  return std::string("0x") + digits[value >> 4] + digits[value & 15];
}

class PickleReader : private PickleMachine {
 public:
  PickleReader(std::string_view bytes, size_t start) : PickleMachine(bytes, start) {}

  Pickle read() {
    while (true) {
      const auto opcode = static_cast<uint8_t>(in_.take(1, "an opcode")[0]);
      if (opcode == '.') break;
      const PickleOpcode* known = pickle_opcode(opcode);
      if (known == nullptr || !known->accepted) refuse(opcode, known);
      const bool done = number(opcode) || word(opcode) || container(opcode) || stack(opcode) ||
                        memo(opcode) || object(opcode);
      if (!done) throw std::logic_error("a pickle opcode without a meaning: " + hex(opcode));
    }
    out_.root = pop();
    out_.end = in_.position();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(uint8_t opcode, const PickleOpcode* known) const {
    const std::string name = known == nullptr ? "" : std::string(known->name) + " ";
    throw FormatError("holds the pickle opcode " + name + "(" + hex(opcode) + ") at byte " +
                      std::to_string(in_.position() - 1) + ", which " +
                      (known == nullptr ? "Python has not" : "canalR does not read"));
  }

  // Opcodes by family; each returns whether the opcode belongs to it.
  bool number(uint8_t opcode) {
    switch (opcode) {
      case 'N': return push(Node());
      case 0x88: return push_integer(1, NodeKind::boolean);
      case 0x89: return push_integer(0, NodeKind::boolean);
      case 'J': return push_integer(in_.little<int32_t>("an integer"));
      case 'K': return push_integer(in_.little<uint8_t>("an integer"));
      case 'M': return push_integer(in_.little<uint16_t>("an integer"));
      case 0x8a: return long_integer(in_.little<uint8_t>("a long integer"));
      case 0x8b: return long_integer(in_.little<uint32_t>("a long integer"));
      case 'I': return written_integer(in_.line("an integer"));
      case 'L': return written_integer(in_.line("a long integer"));
      case 'F': return written_real(in_.line("a float"));
      case 'G': {
        const std::string_view bits = in_.take(8, "a float");
        return push_real(load_number({Element::float64, true}, bits.data()));
      }
      default: return false;
    }
  }

  bool long_integer(uint64_t size) {
    const std::string_view bytes = in_.take(size, "a long integer");
    if (size > 8) return push_text(NodeKind::big_integer, bytes);
    uint64_t bits = load_bits(bytes.data(), bytes.size(), false);
    const bool negative = size > 0 && (static_cast<uint8_t>(bytes.back()) & 0x80) != 0;
    if (negative && size < 8) bits |= ~uint64_t{0} << (8 * size);
    return push_integer(static_cast<int64_t>(bits));
  }

  bool written_integer(std::string_view line) {
    if (line == "00" || line == "01") return push_integer(line[1] == '1', NodeKind::boolean);
    std::string digits(line);
    if (!digits.empty() && digits.back() == 'L') digits.pop_back();
    const bool plain =
        !digits.empty() &&
        digits.find_first_not_of("0123456789", digits[0] == '-') == std::string::npos &&
        digits != "-";
    if (!plain) throw FormatError("is damaged: a pickled integer reads '" + digits + "'");
    errno = 0;
    const long long value = std::strtoll(digits.c_str(), nullptr, 10);
    if (errno == ERANGE) return push_text(NodeKind::big_integer, line);
    return push_integer(value);
  }

  bool written_real(std::string_view line) {
    const std::string digits(line);
    char* end = nullptr;
    const double value = read_decimal(digits.c_str(), &end);
    if (digits.empty() || *end != '\0') {
      throw FormatError("is damaged: a pickled float reads '" + digits + "'");
    }
    return push_real(value);
  }

  bool word(uint8_t opcode) {
    switch (opcode) {
      case 'X': return counted<uint32_t>(NodeKind::text);
      case 0x8c: return counted<uint8_t>(NodeKind::text);
      case 0x8d: return counted<uint64_t>(NodeKind::text);
      case 'T': return counted<uint32_t>(NodeKind::string);
      case 'U': return counted<uint8_t>(NodeKind::string);
      case 'B': return counted<uint32_t>(NodeKind::bytes);
      case 'C': return counted<uint8_t>(NodeKind::bytes);
      case 0x8e:
      case 0x96: return counted<uint64_t>(NodeKind::bytes);
      case 'V': return owned(NodeKind::text, unescape_unicode(in_.line("a text")));
      case 'S': return owned(NodeKind::string, unescape_string(in_.line("a text")));
      default: return false;
    }
  }

  template <class Size>
  bool counted(NodeKind kind) {
    const uint64_t size = in_.little<Size>("the size of a text");
    return push_text(kind, in_.take(size, "a text"));
  }

  bool owned(NodeKind kind, std::string text) {
    out_.owned.push_back(std::move(text));
    return push_text(kind, out_.owned.back());
  }

  bool container(uint8_t opcode) {
    switch (opcode) {
      case ')': return push_sequence(NodeKind::tuple, {});
      case 0x85: return push_sequence(NodeKind::tuple, pop_some(1));
      case 0x86: return push_sequence(NodeKind::tuple, pop_some(2));
      case 0x87: return push_sequence(NodeKind::tuple, pop_some(3));
      case 't': return push_sequence(NodeKind::tuple, pop_to_mark());
      case ']': return push_sequence(NodeKind::list, {});
      case 'l': return push_sequence(NodeKind::list, pop_to_mark());
      case 'a': return extend(NodeKind::list, pop_some(1));
      case 'e': return extend(NodeKind::list, pop_to_mark());
      case 0x8f: return push_sequence(NodeKind::set, {});
      case 0x91: return push_sequence(NodeKind::set, pop_to_mark());
      case 0x90: return extend(NodeKind::set, pop_to_mark());
      case '}': return push_sequence(NodeKind::dict, {});
      case 'd': {
        const std::vector<NodeId> items = pop_to_mark();
        push_parts(NodeKind::dict);
        return set_pairs(items);
      }
      case 's': return set_pairs(pop_some(2));
      case 'u': return set_pairs(pop_to_mark());
      default: return false;
    }
  }

  bool stack(uint8_t opcode) {
    switch (opcode) {
      case 0x80: return protocol(in_.little<uint8_t>("the protocol"));
      case 0x95: {
        const auto size = in_.little<uint64_t>("a frame");
        ByteReader ahead = in_;
        ahead.take(size, "a frame");
        return true;
      }
      case '(': marks_.push_back(stack_.size()); return true;
      case '0':
        // Python's own rule: on top of nothing but a mark, it is the mark that goes.
        if (!marks_.empty() && marks_.back() == stack_.size()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case '1': pop_to_mark(); return true;
      case '2': stack_.push_back(top()); return true;
      default: return false;
    }
  }

  bool protocol(int version) {
    if (version <= newest_protocol) return true;
    throw FormatError("is a pickle of protocol " + std::to_string(version) +
                      ", newer than the newest canalR knows, " + std::to_string(newest_protocol));
  }

  bool memo(uint8_t opcode) {
    switch (opcode) {
      case 'q': return remember(in_.little<uint8_t>("a memo's number"));
      case 'r': return remember(in_.little<uint32_t>("a memo's number"));
      case 'p': return remember(written_index());
      case 0x94: return remember(memo_.size());
      case 'h': return recall(in_.little<uint8_t>("a memo's number"));
      case 'j': return recall(in_.little<uint32_t>("a memo's number"));
      case 'g': return recall(written_index());
      default: return false;
    }
  }

  uint64_t written_index() {
    const std::string digits(in_.line("a memo's number"));
    if (digits.empty() || digits.size() > 10 ||
        digits.find_first_not_of("0123456789") != std::string::npos) {
      throw FormatError("is damaged: a memo's number reads '" + digits + "'");
    }
    return std::strtoull(digits.c_str(), nullptr, 10);
  }

  bool remember(uint64_t index) {
    memo_[index] = top();
    return true;
  }

  bool recall(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) {
      throw FormatError("is damaged: the pickle's memo has no number " + std::to_string(index));
    }
    stack_.push_back(found->second);
    return true;
  }

  bool object(uint8_t opcode) {
    switch (opcode) {
      case 'c': {
        const std::string_view module = in_.line("a global's module");
        return push_global(module, in_.line("a global's name"));
      }
      case 0x93: return stack_global();
      case 'R':
      case 0x81: {
        const NodeId arguments = pop();
        return push_object(pop(), arguments);
      }
      case 0x92: {
        pop();  // keyword arguments: no object canalR rebuilds has any
        const NodeId arguments = pop();
        return push_object(pop(), arguments);
      }
      case 'o': return object_from(pop_to_mark());
      case 'i': {
        const std::string_view module = in_.line("a class's module");
        push_global(module, in_.line("a class's name"));
        const NodeId callable = pop();
        push_sequence(NodeKind::tuple, pop_to_mark());
        return push_object(callable, pop());
      }
      case 'b': return build(pop());
      case 'Q': return persistent(pop());
      case 'P': {
        push_text(NodeKind::string, in_.line("a persistent name"));
        return persistent(pop());
      }
      default: return false;
    }
  }

  bool stack_global() {
    const NodeId name = pop();
    const NodeId module = pop();
    if (node(name).kind != NodeKind::text || node(module).kind != NodeKind::text) {
      throw FormatError("is damaged: a pickled global has a name that is no text");
    }
    return push_global(node(module).text, node(name).text);
  }

  bool object_from(std::vector<NodeId> items) {
    if (items.empty()) throw FormatError("is damaged: a pickled object has no class");
    const NodeId callable = items.front();
    items.erase(items.begin());
    push_sequence(NodeKind::tuple, std::move(items));
    return push_object(callable, pop());
  }

  bool build(NodeId state) {
    const NodeId id = top();
    if (node(id).kind != NodeKind::object) {
      throw FormatError("is damaged: a pickled state at byte " + std::to_string(in_.position()) +
                        " is given to a value that is no object");
    }
    out_.parts[node(id).parts].state = state;
    return true;
  }

  bool persistent(NodeId arguments) {
    push_parts(NodeKind::persistent).arguments = arguments;
    return true;
  }

  std::unordered_map<uint64_t, NodeId> memo_;
};

}  // namespace

Pickle read_pickle(std::string_view bytes, size_t start) {
  return PickleReader(bytes, start).read();
}

}  // namespace canal::io
