// Some cells and genes of an AnnData.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/cell_file.h"
#include "engine/io/budget.h"

namespace canal::io {

// Cells and genes by their places, all of which must exist; a gene may be named once. Throws
// FormatError.
AnnData chosen_part(const AnnData& whole, const std::vector<int64_t>& cells,
                    const std::vector<int64_t>& genes, Budget& budget);

}  // namespace canal::io
