// Cells in HDF5 files: AnnData's (`.h5ad`) and 10x Genomics' (Cell Ranger's `.h5`). Which of them a
// file is, its content tells, not its name.
#pragma once
#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "engine/control.h"
#include "engine/tree.h"

namespace canal {

// A cells x genes matrix in compressed rows, whatever the file holds (CSR, CSC or dense).
struct CellMatrix {
  int64_t cells;
  int64_t genes;
  std::vector<int32_t> starts;  // cells + 1
  std::vector<int32_t> gene;    // ascending within a cell
  std::vector<double> value;
};

struct AnnData {
  CellMatrix counts;
  std::vector<std::string> cell_names;
  std::vector<std::string> gene_names;
  Tree obs;  // a group of columns, each an array (categorical ones as text)
};

// `layer`: "X", "raw/X" or the name of a layer. This and what follows throw Cancelled a moment
// after `control` was told so.
AnnData read_h5ad(const std::string& path, const std::string& layer, const Control& control = {});

enum class CellFormat { anndata, tenx };

// matrices: what the functions below take as `layer`. Of AnnData "X", "raw/X" and the layers'
// names, as far as they are there; of a 10x file "matrix" (Cell Ranger 3 and later) or its genomes'
// names.
struct CellFile {
  CellFormat format;
  std::vector<std::string> matrices;
};

CellFile inspect_cell_file(const std::string& path);

// What a file tells of its cells and of one matrix without the matrix's values.
struct CellHeader {
  std::vector<std::string> cell_names;
  std::vector<std::string> gene_names;
  std::vector<std::string> gene_ids;       // of a 10x file, one per gene; empty: none are told
  std::vector<std::string> feature_types;  // of a 10x file, one per gene; empty: none are told
  int64_t values;                          // that the file holds: all of a dense matrix
  bool by_cells;  // some cells can be read without the others; not where genes are compressed
};

CellHeader read_cell_header(const std::string& path, const std::string& layer,
                            const Control& control = {});

// The cells first, first + 1, ..., first + count - 1 of a matrix that is held by cells. Memory is
// that of these cells alone. Throws Error(input) for cells that are not there.
CellMatrix read_cells(const std::string& path, const std::string& layer, int64_t first,
                      int64_t count, const Control& control = {});

// The same on a thread of its own, so that the cells are there when they are needed. HDF5 is not
// made for threads: no file may be read or written until take() has returned or this has ended,
// which cancels the reading and waits.
class CellsAhead {
 public:
  CellsAhead(const std::string& path, const std::string& layer, int64_t first, int64_t count);
  ~CellsAhead() { control_.cancel = true; }
  CellsAhead(const CellsAhead&) = delete;
  CellsAhead& operator=(const CellsAhead&) = delete;
  // Once.
  CellMatrix take() { return matrix_.get(); }

 private:
  Control control_;
  std::future<CellMatrix> matrix_;  // its end waits, so that it comes first
};

}  // namespace canal
