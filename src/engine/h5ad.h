// Reading AnnData files (`.h5ad`).
#pragma once
#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "engine/tree.h"

namespace canal {

// A cells x genes matrix in compressed rows, whatever the file holds (CSR, CSC or dense).
struct AnnDataMatrix {
  int64_t cells;
  int64_t genes;
  std::vector<int32_t> starts;  // cells + 1
  std::vector<int32_t> gene;    // ascending within a cell
  std::vector<double> value;
};

struct AnnData {
  AnnDataMatrix counts;
  std::vector<std::string> cell_names;
  std::vector<std::string> gene_names;
  Tree obs;  // a group of columns, each an array (categorical ones as text, missing as "")
};

// `layer`: "X", "raw/X" or the name of a layer.
AnnData read_h5ad(const std::string& path, const std::string& layer);

// What a file tells of its cells and of one matrix without the matrix's values.
struct AnnDataHeader {
  std::vector<std::string> cell_names;
  std::vector<std::string> gene_names;
  int64_t values;  // that the file holds: all of a dense matrix
  bool by_cells;   // some cells can be read without the others; not where genes are compressed
};

AnnDataHeader read_h5ad_header(const std::string& path, const std::string& layer);

// The cells first, first + 1, ..., first + count - 1 of a matrix that is held by cells. Memory is
// that of these cells alone. Throws Error(input) for cells that are not there.
AnnDataMatrix read_h5ad_cells(const std::string& path, const std::string& layer, int64_t first,
                              int64_t count);

// The same on a thread of its own, so that the cells are there when they are needed. HDF5 is not
// made for threads: no file may be read or written until take() has returned or this has ended,
// which waits.
class CellsAhead {
 public:
  CellsAhead(const std::string& path, const std::string& layer, int64_t first, int64_t count);
  // Once.
  AnnDataMatrix take() { return matrix_.get(); }

 private:
  std::future<AnnDataMatrix> matrix_;
};

}  // namespace canal
