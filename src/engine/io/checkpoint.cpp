#include "engine/checkpoint.h"

#include <algorithm>
#include <set>

#include "engine/io/budget.h"
#include "engine/io/bytes.h"
#include "engine/io/checkpoint_names.h"
#include "engine/io/pickle_anndata.h"
#include "engine/io/pickle_numpy.h"
#include "engine/io/pickle_table.h"
#include "engine/io/pickle_tensors.h"
#include "engine/io/pickle_values.h"
#include "engine/io/safetensors.h"
#include "engine/io/settings_text.h"
#include "engine/io/torch_file.h"

namespace canal {

namespace {

using namespace io;

// Tied weights share a storage and are copied apart; nothing sensible does so more often than this.
constexpr int64_t most_numbers_per_byte = 4;

std::string named_kind(const Pickle& pickle, const std::string& name, NodeId id) {
  return name + " (" + kind_name(pickle, id) + ")";
}

class CheckpointReader {
 public:
  explicit CheckpointReader(std::string_view bytes)
      : file_(open_torch_file(bytes)),
        weights_(numbers(bytes)),
        names_(numbers(bytes)),
        bank_(numbers(bytes)) {}

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

  static int64_t numbers(std::string_view bytes) {
    return static_cast<int64_t>(bytes.size()) * most_numbers_per_byte;
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
        weights_.spend(element_count(view->shape), "its weights");
        out_.weights.emplace_back(name, to_float_array(*view));
      } else if (name != redraw_counter) {
        out_.skipped.push_back(place + entry.first + " (integer tensor)");
      }
    }
  }

  // What lies beside the weights: labels, genes and the bank are wanted, the rest is told.
  void read_other(const Entry& entry) {
    const auto& [name, id] = entry;
    const bool known = (name == "annotation" && take_texts(id, out_.annotation)) ||
                       (name == "genes" && take_texts(id, out_.genes)) ||
                       (name == "vocabulary" && take_texts(id, out_.vocabulary)) ||
                       (name == "highly_variable_idx" && take_places(id)) ||
                       (name == "positions" && take_text(id, out_.positions)) ||
                       (name == "config" && take_settings(id)) ||
                       (name == "example_bank" && take_bank(id));
    if (!known) skip(name, id);
  }

  bool take_texts(NodeId id, std::vector<std::string>& texts) {
    auto found = texts_at(pickle(), id, names_);
    if (!found) return false;
    texts = *std::move(found);
    return true;
  }

  bool take_text(NodeId id, std::string& text) const {
    const std::optional<std::string_view> found = text_of(pickle(), id);
    if (found) text = *found;
    return found.has_value();
  }

  bool take_places(NodeId id) {
    auto places = places_at(id);
    if (!places) return false;
    out_.variable_genes0 = *std::move(places);
    return true;
  }

  bool take_settings(NodeId id) {
    const std::optional<std::string_view> text = text_of(pickle(), id);
    return text && read_settings(std::string(*text), out_);
  }

  // A bank that cannot be read is no reason to refuse the weights; it is told instead.
  bool take_bank(NodeId id) {
    if (!is_anndata(pickle(), id)) return false;
    try {
      out_.bank = anndata_at(pickle(), id, bank_);
    } catch (const FormatError& error) {
      out_.bank_problem = error.what();
    }
    return true;
  }

  std::optional<std::vector<int64_t>> places_at(NodeId id) {
    const std::optional<TensorView> view = tensor_at(file_, id);
    if (!view) return integers_at(pickle(), id, names_);
    if (is_real(view->type.element) || view->shape.size() != 1) return std::nullopt;
    return to_integers(*view);
  }

  void skip(const std::string& name, NodeId id) {
    out_.skipped.push_back(named_kind(pickle(), name, id));
  }

  // A class or function of some other module never runs here, but whoever has the file should know
  // that it asks for one.
  void list_unknown_globals() {
    const bool looked_at = out_.bank || !out_.bank_problem.empty();
    std::set<std::string_view> unknown;
    for (const Node& node : pickle().nodes) {
      if (node.kind != NodeKind::global) continue;
      const PickleGlobal* known = pickle_global(node.text);
      if (known != nullptr && (!known->of_bank || looked_at)) continue;
      unknown.insert(node.text);
    }
    for (const std::string_view name : unknown) {
      out_.skipped.push_back(shortened(name) + " (Python code the file refers to)");
    }
  }

  TorchFile file_;
  Budget weights_;
  Budget names_;  // of types and genes, and where those lie
  Budget bank_;
  Checkpoint out_;
};

void check_names(const Checkpoint& checkpoint) {
  std::vector<std::string> names{checkpoint.preset, checkpoint.positions};
  for (const auto& weight : checkpoint.weights) names.push_back(weight.first);
  for (const auto& setting : checkpoint.settings) names.push_back(setting.first);
  refuse_zero_bytes(names);
  refuse_zero_bytes(checkpoint.annotation);
  refuse_zero_bytes(checkpoint.genes);
  refuse_zero_bytes(checkpoint.vocabulary);
  refuse_zero_bytes(checkpoint.skipped);
  if (!checkpoint.bank) return;
  refuse_zero_bytes(checkpoint.bank->cell_names);
  refuse_zero_bytes(checkpoint.bank->gene_names);
  for (const auto& [name, column] : checkpoint.bank->obs.children) {
    refuse_zero_bytes({name});
    refuse_zero_bytes(column.text);
  }
}

}  // namespace

Checkpoint read_checkpoint(const std::string& path) {
  const std::string bytes = io::read_whole_file(path);
  return io::with_path(path, [&] {
    // A safetensors file may begin with the bytes of a zip file, but not the other way round.
    Checkpoint checkpoint =
        is_safetensors(bytes) ? read_safetensors(bytes) : CheckpointReader(bytes).read();
    check_names(checkpoint);
    return checkpoint;
  });
}

}  // namespace canal
