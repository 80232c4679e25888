#include "engine/io/hdf5_matrix.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "engine/array.h"
#include "engine/io/hdf5_filters.h"
#include "engine/io/hdf5_values.h"
#include "engine/io/tree_numbers.h"

namespace canal::io {

namespace {

constexpr int64_t most_values = std::numeric_limits<int32_t>::max();

// Dense matrices are read in blocks of rows of about this many numbers.
constexpr int64_t block_numbers = int64_t{1} << 22;

void check_extents(int64_t cells, int64_t genes, const std::string& place) {
  if (cells < 0 || genes < 0 || cells >= most_values || genes >= most_values) {
    throw FormatError("has a matrix '" + place + "' of " + std::to_string(cells) + " x " +
                      std::to_string(genes) + "; 0 to 2^31 - 2 of each are expected");
  }
}

// Some rows of a matrix that the file has compressed by rows, or columns of one compressed by
// columns: `major` of them. starts: major + 1, of which the first is that of the first value here.
struct Compressed {
  int64_t major;
  int64_t minor;
  Tree starts;
  Tree indices;
  Tree values;
};

[[noreturn]] void fail_matrix(const std::string& place, const std::string& reason) {
  throw FormatError("is damaged: the matrix '" + place + "' " + reason);
}

// A byte of a file can hold a thousand equal numbers, each of which takes these in a CellMatrix.
void spend_cell_values(const Hdf5File& file, int64_t values) {
  constexpr auto bytes_of_value = static_cast<int64_t>(sizeof(int32_t) + sizeof(double));
  file.memory->spend(values * bytes_of_value, "its values");
}

int64_t length_of(hid_t group, const std::string& name, const std::string& place) {
  const std::optional<int64_t> length = array_length(group, name);
  if (length) return *length;
  throw FormatError("has a sparse matrix '" + place + "' without its '" + name + "'");
}

// Starts `first` to `first + count` of a matrix with `values` values: they ascend, and those at the
// ends of the matrix are those of its values.
Tree read_starts(const Hdf5File& file, hid_t group, const std::string& place, int64_t first,
                 int64_t count, const MatrixLayout& layout) {
  Tree starts = read_slice(file, group, "indptr", first, count + 1);
  int64_t before = 0;
  for (size_t i = 0; i < value_count(starts); ++i) {
    const int64_t start = integer_at(starts, i);
    if (start < before || start > layout.values || (first == 0 && i == 0 && start != 0)) {
      fail_matrix(place, "has starts out of order");
    }
    before = start;
  }
  const int64_t major = layout.by_cells ? layout.cells : layout.genes;
  if (first + count == major && before != layout.values) {
    fail_matrix(place, "has values that belong to no row or column");
  }
  return starts;
}

// Calls work(first, last) for `count` values, piece by piece, with looks for who cancels.
template <class Work>
void in_pieces(const Hdf5File& file, size_t count, const Work& work) {
  constexpr size_t piece = size_t{1} << 21;
  for (size_t first = 0; first < count; first += piece) {
    file.check_cancelled();
    work(first, std::min(count, first + piece));
  }
}

void check_indices(const Hdf5File& file, const Compressed& matrix, const std::string& place) {
  with_integers(matrix.indices, [&](const auto& indices) {
    in_pieces(file, indices.size(), [&](size_t first, size_t last) {
      for (size_t i = first; i < last; ++i) {
        const int64_t index = indices[i];
        if (index < 0 || index >= matrix.minor) fail_matrix(place, "has an index beyond its shape");
      }
    });
  });
}

// Rows (or columns) from `first` on, `count` of them.
Compressed read_compressed(const Hdf5File& file, hid_t group, const std::string& place,
                           const MatrixLayout& layout, int64_t first, int64_t count) {
  Compressed matrix;
  matrix.major = count;
  matrix.minor = layout.by_cells ? layout.genes : layout.cells;
  matrix.starts = read_starts(file, group, place, first, count, layout);
  const int64_t start = integer_at(matrix.starts, 0);
  const int64_t values = integer_at(matrix.starts, static_cast<size_t>(count)) - start;
  if (values > most_values) fail_matrix(place, "has more than 2^31 - 1 values");
  spend_cell_values(file, values);
  matrix.indices = read_slice(file, group, "indices", start, values);
  matrix.values = read_slice(file, group, "data", start, values);
  check_indices(file, matrix, place);
  return matrix;
}

bool is_tidy(const Hdf5File& file, const CellMatrix& matrix) {
  for (size_t cell = 0; cell + 1 < matrix.starts.size(); ++cell) {
    file.check_cancelled();
    const auto first = static_cast<size_t>(matrix.starts[cell]);
    const auto last = static_cast<size_t>(matrix.starts[cell + 1]);
    for (size_t i = first; i < last; ++i) {
      if (matrix.value[i] == 0 || (i > first && matrix.gene[i] <= matrix.gene[i - 1])) return false;
    }
  }
  return true;
}

// Sorts each cell's genes, adds up what is given twice and leaves out zeros, so that every form of
// a matrix gives the same numbers.
CellMatrix tidied(const Hdf5File& file, CellMatrix matrix) {
  if (is_tidy(file, matrix)) return matrix;
  CellMatrix out{matrix.cells, matrix.genes, {0}, {}, {}};
  out.gene.reserve(matrix.gene.size());
  out.value.reserve(matrix.value.size());
  std::vector<std::pair<int32_t, double>> row;
  for (int64_t cell = 0; cell < matrix.cells; ++cell) {
    const auto first = static_cast<size_t>(matrix.starts[static_cast<size_t>(cell)]);
    const auto last = static_cast<size_t>(matrix.starts[static_cast<size_t>(cell) + 1]);
    row.clear();
    file.check_cancelled();
    for (size_t i = first; i < last; ++i) row.emplace_back(matrix.gene[i], matrix.value[i]);
    std::stable_sort(row.begin(), row.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < row.size();) {
      const int32_t gene = row[i].first;
      double value = 0;
      for (; i < row.size() && row[i].first == gene; ++i) value += row[i].second;
      if (value == 0) continue;
      out.gene.push_back(gene);
      out.value.push_back(value);
    }
    out.starts.push_back(static_cast<int32_t>(out.gene.size()));
  }
  return out;
}

// Appends all of `values` to `out`.
template <class From, class To>
void append(const Hdf5File& file, const std::vector<From>& values, std::vector<To>& out) {
  out.reserve(values.size());
  in_pieces(file, values.size(), [&](size_t first, size_t last) {
    const auto start = values.begin();
    out.insert(out.end(), start + static_cast<ptrdiff_t>(first),
               start + static_cast<ptrdiff_t>(last));
  });
}

CellMatrix from_rows(const Hdf5File& file, const Compressed& matrix) {
  CellMatrix out{matrix.major, matrix.minor, {}, {}, {}};
  const int64_t start = integer_at(matrix.starts, 0);
  with_integers(matrix.starts, [&](const auto& starts) {
    out.starts.reserve(starts.size());
    for (const int64_t at : starts) out.starts.push_back(static_cast<int32_t>(at - start));
  });
  with_integers(matrix.indices, [&](const auto& genes) { append(file, genes, out.gene); });
  with_numbers(matrix.values, [&](const auto& values) { append(file, values, out.value); });
  return out;
}

// Counts the values of each cell, then puts each gene's values at their cells' next free places.
CellMatrix from_columns(const Hdf5File& file, const Compressed& matrix) {
  const size_t count = value_count(matrix.indices);
  CellMatrix out{matrix.minor, matrix.major, {}, {}, {}};
  out.starts.assign(static_cast<size_t>(matrix.minor) + 1, 0);
  out.gene.resize(count);
  out.value.resize(count);
  with_integers(matrix.indices, [&](const auto& cells) {
    in_pieces(file, count, [&](size_t first, size_t last) {
      for (size_t i = first; i < last; ++i) ++out.starts[static_cast<size_t>(cells[i]) + 1];
    });
  });
  for (size_t cell = 1; cell < out.starts.size(); ++cell) out.starts[cell] += out.starts[cell - 1];
  std::vector<int32_t> next(out.starts.begin(), out.starts.end() - 1);
  for (int64_t gene = 0; gene < matrix.major; ++gene) {
    file.check_cancelled();
    const int64_t last = integer_at(matrix.starts, static_cast<size_t>(gene) + 1);
    for (int64_t i = integer_at(matrix.starts, static_cast<size_t>(gene)); i < last; ++i) {
      const auto cell = static_cast<size_t>(integer_at(matrix.indices, static_cast<size_t>(i)));
      const auto at = static_cast<size_t>(next[cell]++);
      out.gene[at] = static_cast<int32_t>(gene);
      out.value[at] = number_at(matrix.values, static_cast<size_t>(i));
    }
  }
  return out;
}

void append_rows(const std::vector<double>& block, int64_t rows, CellMatrix& out) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t gene = 0; gene < out.genes; ++gene) {
      const double value = block[static_cast<size_t>(row * out.genes + gene)];
      if (value == 0) continue;
      out.gene.push_back(static_cast<int32_t>(gene));
      out.value.push_back(value);
    }
    if (out.gene.size() > static_cast<size_t>(most_values)) {
      throw FormatError("has a matrix with more than 2^31 - 1 values that are not 0");
    }
    out.starts.push_back(static_cast<int32_t>(out.gene.size()));
  }
}

void read_block(hid_t dataset, int64_t first, int64_t rows, int64_t genes, double* out,
                const std::string& what) {
  const hsize_t start[] = {static_cast<hsize_t>(first), 0};
  const hsize_t count[] = {static_cast<hsize_t>(rows), static_cast<hsize_t>(genes)};
  const Handle space(H5Dget_space(dataset), H5Sclose, what);
  check_hdf5(H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, count, nullptr), what);
  const Handle memory(H5Screate_simple(2, count, nullptr), H5Sclose, what);
  check_hdf5(H5Dread(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, out), what);
}

// Cells from `first` on, `count` of them.
CellMatrix read_dense(const Hdf5File& file, hid_t dataset, const std::string& place,
                      const MatrixLayout& layout, int64_t first, int64_t count) {
  const std::string what = "has a matrix '" + place + "' that cannot be read";
  const int64_t genes = layout.genes;
  CellMatrix out{count, genes, {0}, {}, {}};
  const int64_t most_rows = std::max<int64_t>(1, block_numbers / std::max<int64_t>(1, genes));
  const int64_t block_rows = std::min(most_rows, count);
  std::vector<double> block(static_cast<size_t>(block_rows * genes));
  const int64_t last = first + count;
  for (int64_t at = first; at < last; at += block_rows) {
    file.check_cancelled();
    const int64_t rows = std::min(block_rows, last - at);
    if (genes > 0) read_block(dataset, at, rows, genes, block.data(), what);
    const size_t before = out.gene.size();
    append_rows(block, rows, out);
    spend_cell_values(file, static_cast<int64_t>(out.gene.size() - before));
  }
  return out;
}

}  // namespace

Handle open_matrix(const Hdf5File& file, const std::string& place) {
  return open_within(file.handle, place, "has '" + place + "' that cannot be opened");
}

MatrixLayout compressed_layout(hid_t group, const std::string& place, bool by_cells, int64_t cells,
                               int64_t genes) {
  check_extents(cells, genes, place);
  const int64_t major = by_cells ? cells : genes;
  const int64_t starts = length_of(group, "indptr", place);
  const int64_t values = length_of(group, "data", place);
  if (length_of(group, "indices", place) != values) {
    fail_matrix(place, "has not as many indices as values");
  }
  if (starts != major + 1) {
    fail_matrix(place, "has " + std::to_string(starts) + " starts for " + std::to_string(major) +
                           " rows or columns");
  }
  return {false, by_cells, cells, genes, values};
}

MatrixLayout dense_layout(const Hdf5File& file, hid_t dataset, const std::string& place) {
  const std::string what = "has a matrix '" + place + "' that cannot be read";
  const Handle type(H5Dget_type(dataset), H5Tclose, what);
  const H5T_class_t kind = H5Tget_class(type);
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) throw FormatError(what + ": it has no numbers");
  check_array(file, dataset, place);
  const Handle space(H5Dget_space(dataset), H5Sclose, what);
  const std::vector<int64_t> shape = shape_of(space);
  if (shape.size() != 2) throw FormatError(what + ": it has not two dimensions");
  check_extents(shape[0], shape[1], place);
  return {true, true, shape[0], shape[1], shape[0] * shape[1]};
}

CellMatrix read_matrix(const Hdf5File& file, const std::string& place, const MatrixLayout& layout) {
  const Handle object = open_matrix(file, place);
  if (layout.dense) return read_dense(file, object, place, layout, 0, layout.cells);
  const int64_t major = layout.by_cells ? layout.cells : layout.genes;
  const Compressed matrix = read_compressed(file, object, place, layout, 0, major);
  return tidied(file, layout.by_cells ? from_rows(file, matrix) : from_columns(file, matrix));
}

CellMatrix read_matrix_cells(const Hdf5File& file, const std::string& place,
                             const MatrixLayout& layout, int64_t first, int64_t count) {
  if (!layout.by_cells) {
    throw Error(ErrorKind::input, "cells: expected a matrix that lies by cells; got '" + place +
                                      "', which lies by genes.");
  }
  if (first < 0 || count < 0 || count > layout.cells || first > layout.cells - count) {
    throw Error(ErrorKind::input, "cells: expected some of the " + std::to_string(layout.cells) +
                                      " in the file; got " + std::to_string(count) +
                                      " from the number " + std::to_string(first) + " on.");
  }
  const Handle object = open_matrix(file, place);
  if (layout.dense) return read_dense(file, object, place, layout, first, count);
  return tidied(file, from_rows(file, read_compressed(file, object, place, layout, first, count)));
}

void check_names(const std::string& what, size_t names, int64_t expected) {
  if (static_cast<int64_t>(names) == expected) return;
  throw FormatError("is damaged: it names " + std::to_string(names) + " " + what +
                    " and its matrix has " + std::to_string(expected));
}

}  // namespace canal::io
