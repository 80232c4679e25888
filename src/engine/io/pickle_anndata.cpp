#include "engine/io/pickle_anndata.h"

#include <algorithm>
#include <limits>

#include "engine/io/anndata_choice.h"
#include "engine/io/pickle_numpy.h"
#include "engine/io/pickle_pandas.h"
#include "engine/io/pickle_values.h"

namespace canal::io {

namespace {

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

struct Extent {
  int64_t rows;
  int64_t columns;
};

// R counts the values, cells and genes of a matrix in 32 bits.
void check_extent(const Extent& extent, size_t values) {
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  if (extent.rows < 0 || extent.columns < 0 || extent.rows >= most || extent.columns >= most ||
      values >= static_cast<size_t>(most)) {
    throw FormatError("has a matrix whose size is negative or too large");
  }
}

// Rows of a dense matrix without their zeros.
CellMatrix from_dense(const PickledArray<double>& array) {
  if (array.shape.size() != 2) throw FormatError("has a matrix that has not two dimensions");
  const Extent extent{array.shape[0], array.shape[1]};
  check_extent(extent, array.items.size());
  CellMatrix out{extent.rows, extent.columns, {0}, {}, {}};
  for (int64_t row = 0; row < extent.rows; ++row) {
    for (int64_t column = 0; column < extent.columns; ++column) {
      const double value = array.items[static_cast<size_t>(row * extent.columns + column)];
      if (value == 0) continue;
      out.gene.push_back(static_cast<int32_t>(column));
      out.value.push_back(value);
    }
    out.starts.push_back(static_cast<int32_t>(out.value.size()));
  }
  return out;
}

// The state of scipy's csr_matrix and csc_matrix: lines are rows of the one, columns of the other.
struct Compressed {
  int64_t lines;
  int64_t width;
  std::vector<int64_t> starts;  // lines + 1
  std::vector<int64_t> places;
  std::vector<double> values;
};

void check_compressed(const Compressed& matrix) {
  const auto held = static_cast<int64_t>(matrix.values.size());
  const bool whole =
      matrix.lines >= 0 && matrix.starts.size() == static_cast<size_t>(matrix.lines) + 1 &&
      matrix.places.size() == matrix.values.size() && matrix.starts.front() == 0 &&
      matrix.starts.back() == held && std::is_sorted(matrix.starts.begin(), matrix.starts.end());
  const auto outside = [&](int64_t place) { return place < 0 || place >= matrix.width; };
  if (!whole || std::any_of(matrix.places.begin(), matrix.places.end(), outside)) {
    throw FormatError("has a sparse matrix whose parts do not fit together");
  }
}

// Places of the values by column, for a matrix that is stored by row, and the other way round. Ends
// with places in ascending order; what is named twice is added up, as scipy does.
Compressed turned(const Compressed& matrix) {
  Compressed out{matrix.width, matrix.lines, {}, {}, {}};
  std::vector<std::vector<std::pair<int64_t, double>>> lines(static_cast<size_t>(matrix.width));
  for (size_t line = 0; line + 1 < matrix.starts.size(); ++line) {
    for (int64_t i = matrix.starts[line]; i < matrix.starts[line + 1]; ++i) {
      const auto at = static_cast<size_t>(i);
      auto& target = lines[static_cast<size_t>(matrix.places[at])];
      const auto from = static_cast<int64_t>(line);
      if (!target.empty() && target.back().first == from) {
        target.back().second += matrix.values[at];
      } else {
        target.emplace_back(from, matrix.values[at]);
      }
    }
  }
  out.starts.push_back(0);
  for (const auto& line : lines) {
    for (const auto& [place, value] : line) {
      out.places.push_back(place);
      out.values.push_back(value);
    }
    out.starts.push_back(static_cast<int64_t>(out.values.size()));
  }
  return out;
}

CellMatrix from_rows(const Compressed& matrix) {
  CellMatrix out{matrix.lines, matrix.width, {}, {}, matrix.values};
  out.starts.assign(matrix.starts.begin(), matrix.starts.end());
  out.gene.assign(matrix.places.begin(), matrix.places.end());
  return out;
}

class AnnDataReader {
 public:
  AnnDataReader(const Pickle& pickle, NodeId id, Budget& budget)
      : pickle_(pickle), budget_(budget) {
    const NodeId state = pickle.parts_of(id).state;
    std::optional<Entries> attributes = state == no_node ? std::nullopt : entries_of(pickle, state);
    if (!attributes) throw FormatError("is an AnnData of an unknown layout");
    attributes_ = *std::move(attributes);
  }

  // A view holds no values, but the AnnData that it looks at and where.
  AnnData read() {
    if (!is_true("_is_view")) return read_whole();
    const NodeId parent = attribute("_adata_ref");
    if (!is_anndata(pickle_, parent)) throw FormatError("is a view on something unknown");
    AnnDataReader reader(pickle_, parent, budget_);
    if (reader.is_true("_is_view")) throw FormatError("is a view on a view");
    const AnnData whole = reader.read_whole();
    return chosen_part(whole, places_at(attribute("_oidx"), whole.counts.cells),
                       places_at(attribute("_vidx"), whole.counts.genes), budget_);
  }

 private:
  AnnData read_whole() {
    const NodeId matrix = attribute("_X");
    if (pickle_.node(matrix).kind == NodeKind::none) throw FormatError("has no matrix X");
    Table cells = table_at(pickle_, attribute("_obs"), budget_);
    AnnData out{matrix_at(matrix), std::move(cells.rows),
                table_at(pickle_, attribute("_var"), budget_).rows, std::move(cells.columns)};
    const bool fits = out.counts.cells == static_cast<int64_t>(out.cell_names.size()) &&
                      out.counts.genes == static_cast<int64_t>(out.gene_names.size());
    if (!fits) throw FormatError("has a matrix that does not fit its cells and genes");
    return out;
  }

  NodeId attribute(const char* name) const {
    for (const auto& [key, value] : attributes_) {
      if (key == name) return value;
    }
    throw FormatError(std::string("is an AnnData without ") + name);
  }

  bool is_true(const char* name) const {
    for (const auto& [key, value] : attributes_) {
      if (key == name) return pickle_.node(value).integer == 1;
    }
    return false;
  }

  // A slice of `count` places, or an array of them.
  std::vector<int64_t> places_at(NodeId id, int64_t count) {
    if (!ends_with(maker_of(pickle_, id), ".slice")) {
      std::optional<std::vector<int64_t>> places = integers_at(pickle_, id, budget_);
      if (!places) throw FormatError("is a view by an index of an unknown kind");
      return *std::move(places);
    }
    const std::vector<NodeId>& parts = arguments_of(pickle_, id, 3);
    const auto part = [&](size_t i, int64_t unset) {
      if (pickle_.node(parts[i]).kind == NodeKind::none) return unset;
      return integer_of(pickle_, parts[i]).value_or(-1);
    };
    const int64_t start = part(0, 0);
    const int64_t stop = std::min(part(1, count), count);
    const int64_t step = part(2, 1);
    if (start < 0 || stop < 0 || step < 1) {
      throw FormatError("is a view by a slice of an unknown kind");
    }
    std::vector<int64_t> places;
    for (int64_t at = start; at < stop; at += std::min(step, count)) places.push_back(at);
    return places;
  }

  CellMatrix matrix_at(NodeId id) {
    if (const auto dense = numbers_at(pickle_, id, budget_)) return from_dense(*dense);
    const std::string_view maker = maker_of(pickle_, id);
    const bool by_rows = ends_with(maker, "csr_matrix") || ends_with(maker, "csr_array");
    const bool by_columns = ends_with(maker, "csc_matrix") || ends_with(maker, "csc_array");
    if (!by_rows && !by_columns) {
      throw FormatError("has a matrix of the kind " + kind_name(pickle_, id) +
                        "; numpy arrays and scipy's csr and csc matrices are read");
    }
    // Twice turned, a matrix is as it was and in order.
    const Compressed matrix = turned(compressed_at(id, by_columns));
    return from_rows(by_rows ? turned(matrix) : matrix);
  }

  Compressed compressed_at(NodeId id, bool by_columns) {
    const NodeId state = pickle_.parts_of(id).state;
    const std::optional<Entries> parts =
        state == no_node ? std::nullopt : entries_of(pickle_, state);
    std::vector<int64_t> shape;
    Compressed matrix{0, 0, {}, {}, {}};
    for (const auto& [name, value] : parts.value_or(Entries{})) {
      if (name == "_shape") shape = integers_of(pickle_, value, "a sparse matrix's shape");
      if (name == "indptr") matrix.starts = whole(value);
      if (name == "indices") matrix.places = whole(value);
      if (name == "data") matrix.values = numbers(value);
    }
    if (shape.size() != 2) throw FormatError("has a sparse matrix of an unknown layout");
    check_extent({shape[0], shape[1]}, matrix.values.size());
    matrix.lines = by_columns ? shape[1] : shape[0];
    matrix.width = by_columns ? shape[0] : shape[1];
    check_compressed(matrix);
    budget_.spend(matrix.width, "the rows and columns of a matrix");
    return matrix;
  }

  std::vector<int64_t> whole(NodeId id) {
    std::optional<std::vector<int64_t>> values = integers_at(pickle_, id, budget_);
    if (!values) throw FormatError("has a sparse matrix whose places are no integers");
    return *std::move(values);
  }

  std::vector<double> numbers(NodeId id) {
    std::optional<PickledArray<double>> values = numbers_at(pickle_, id, budget_);
    if (!values) throw FormatError("has a sparse matrix whose values are no numbers");
    return std::move(values->items);
  }

  const Pickle& pickle_;
  Budget& budget_;
  Entries attributes_;
};

}  // namespace

bool is_anndata(const Pickle& pickle, NodeId id) {
  const std::string_view maker = maker_of(pickle, id);
  return maker.substr(0, 8) == "anndata." && ends_with(maker, ".AnnData");
}

AnnData anndata_at(const Pickle& pickle, NodeId id, Budget& budget) {
  return AnnDataReader(pickle, id, budget).read();
}

}  // namespace canal::io
