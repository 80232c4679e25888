#include "engine/checkpoint.h"

#include <algorithm>
#include <set>

#include "engine/io/bytes.h"
#include "engine/io/pickle_numpy.h"
#include "engine/io/pickle_tensors.h"
#include "engine/io/pickle_values.h"
#include "engine/io/torch_file.h"

namespace canal {

namespace {

using namespace io;

// The one integer buffer of a Performer; canalR counts forward passes itself.
constexpr const char* redraw_counter = "performer.calls_since_last_redraw";

// Tied weights share a storage and are copied apart; nothing sensible does so more often than this.
constexpr int64_t most_numbers_per_byte = 4;

std::string named_kind(const Pickle& pickle, const std::string& name, NodeId id) {
  return name + " (" + kind_name(pickle, id) + ")";
}

// DataParallel puts its own name before each of the network's.
std::string network_name(const std::string& name) {
  const std::string prefix = "module.";
  return name.compare(0, prefix.size(), prefix) == 0 ? name.substr(prefix.size()) : name;
}

class CheckpointReader {
 public:
  explicit CheckpointReader(std::string_view bytes)
      : file_(open_torch_file(bytes)), numbers_left_(budget(bytes.size())) {}

  Checkpoint read() {
    const std::optional<Entries> top = entries_of(pickle(), pickle().root);
    if (!top) {
      throw FormatError("holds a " + kind_name(pickle(), pickle().root) +
                        ", where a dict of weights is expected (Python's model.state_dict())");
    }
    if (const Entry* weights = state_dict(*top)) {
      read_weights(entries_of(pickle(), weights->second).value(), weights->first + ".");
      for (const Entry& entry : *top) {
        if (&entry != weights) read_other(entry);
      }
    } else {
      read_weights(*top, "");
    }
    if (out_.weights.empty()) throw FormatError("holds no weights; " + contents(*top));
    list_unknown_globals();
    return std::move(out_);
  }

 private:
  using Entry = Entries::value_type;

  static int64_t budget(size_t bytes) {
    return static_cast<int64_t>(bytes) * most_numbers_per_byte;
  }

  const Pickle& pickle() const { return file_.pickle; }

  const Entry* state_dict(const Entries& top) const {
    for (const char* name : {"model_state_dict", "state_dict"}) {
      for (const Entry& entry : top) {
        if (entry.first == name && entries_of(pickle(), entry.second)) return &entry;
      }
    }
    return nullptr;
  }

  std::string contents(const Entries& top) const {
    std::string text = "it holds";
    for (size_t i = 0; i < std::min<size_t>(top.size(), 8); ++i) {
      text += (i == 0 ? " " : ", ") + named_kind(pickle(), top[i].first, top[i].second);
    }
    return top.empty() ? "it is empty" : text + (top.size() > 8 ? ", ..." : "");
  }

  void read_weights(const Entries& entries, const std::string& place) {
    std::set<std::string> names;
    for (const Entry& entry : entries) {
      const std::string name = network_name(entry.first);
      const std::optional<TensorView> view = tensor_at(file_, entry.second);
      if (!view) {
        skip(place + entry.first, entry.second);
      } else if (is_real(view->type.element)) {
        if (!names.insert(name).second)
          throw FormatError("holds two weights called '" + name + "'");
        spend(element_count(view->shape));
        out_.weights.emplace_back(name, to_float_array(*view));
      } else if (name != redraw_counter) {
        out_.skipped.push_back(place + entry.first + " (integer tensor)");
      }
    }
  }

  void spend(int64_t numbers) {
    if (numbers > numbers_left_) {
      throw FormatError("is damaged: its weights add up to far more than the file can hold");
    }
    numbers_left_ -= numbers;
  }

  // What lies beside the weights: CANAL's labels and genes are wanted, the rest is told.
  void read_other(const Entry& entry) {
    const auto& [name, id] = entry;
    if (name == "annotation") {
      if (auto texts = texts_at(pickle(), id)) {
        out_.annotation = *std::move(texts);
        return;
      }
    } else if (name == "highly_variable_idx") {
      if (auto places = places_at(id)) {
        out_.variable_genes0 = *std::move(places);
        return;
      }
    }
    skip(name, id);
  }

  std::optional<std::vector<int64_t>> places_at(NodeId id) const {
    const std::optional<TensorView> view = tensor_at(file_, id);
    if (!view) return integers_at(pickle(), id);
    if (is_real(view->type.element) || view->shape.size() != 1) return std::nullopt;
    return to_integers(*view);
  }

  void skip(const std::string& name, NodeId id) {
    out_.skipped.push_back(named_kind(pickle(), name, id));
  }

  // A class or function of some other module never runs here, but whoever has the file should know
  // that it asks for one.
  void list_unknown_globals() {
    std::set<std::string_view> unknown;
    for (const Node& node : pickle().nodes) {
      if (node.kind == NodeKind::global && !is_known_global(node.text)) unknown.insert(node.text);
    }
    for (const std::string_view name : unknown) {
      out_.skipped.push_back(std::string(name) + " (Python code the file refers to)");
    }
  }

  TorchFile file_;
  int64_t numbers_left_;
  Checkpoint out_;
};

}  // namespace

Checkpoint read_checkpoint(const std::string& path) {
  const std::string bytes = io::read_whole_file(path);
  return io::with_path(path, [&] { return CheckpointReader(bytes).read(); });
}

}  // namespace canal
