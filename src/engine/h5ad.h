// Reading AnnData files (`.h5ad`).
#pragma once
#include <cstdint>
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

}  // namespace canal
