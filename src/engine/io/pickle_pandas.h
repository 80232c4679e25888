// Tables of pandas, rebuilt from the inert values of a pickle.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/io/budget.h"
#include "engine/io/pickle.h"
#include "engine/tree.h"

namespace canal::io {

struct Table {
  std::vector<std::string> rows;  // the index
  Tree columns;                   // a group of text and float64 arrays, one per column
};

// A DataFrame of pandas 0.24 or later. Columns of other kinds than texts, numbers and categories of
// texts, and those with missing values, are left out. Throws FormatError where it is damaged or no
// DataFrame.
Table table_at(const Pickle& pickle, NodeId id, Budget& budget);

// A pandas Index as texts.
std::vector<std::string> index_at(const Pickle& pickle, NodeId id, Budget& budget);

}  // namespace canal::io
