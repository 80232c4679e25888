#include "engine/io/anndata_choice.h"

#include <algorithm>

#include "engine/io/format_error.h"

namespace canal::io {

namespace {

void check_places(const std::vector<int64_t>& places, int64_t count) {
  const auto outside = [&](int64_t place) { return place < 0 || place >= count; };
  if (std::any_of(places.begin(), places.end(), outside)) {
    throw FormatError("is a view on cells or genes that are not there");
  }
}

std::vector<std::string> texts_at_places(const std::vector<std::string>& texts,
                                         const std::vector<int64_t>& places, Budget& budget) {
  std::vector<std::string> out;
  for (const int64_t place : places) {
    const std::string& text = texts[static_cast<size_t>(place)];
    budget.spend(static_cast<int64_t>(text.size()) + 1, "the texts of a view");
    out.push_back(text);
  }
  return out;
}

Tree column_at_places(const Tree& column, const std::vector<int64_t>& places, Budget& budget) {
  Tree out;
  out.kind = column.kind;
  out.shape = {static_cast<int64_t>(places.size())};
  if (column.kind == Tree::Kind::text) {
    out.text = texts_at_places(column.text, places, budget);
    return out;
  }
  budget.spend(out.shape[0], "the numbers of a view");
  for (const int64_t place : places) {
    out.float64.push_back(column.float64[static_cast<size_t>(place)]);
  }
  return out;
}

// Where each gene comes to lie; -1 for those that are left out.
std::vector<int32_t> new_places(const std::vector<int64_t>& genes, int64_t count) {
  std::vector<int32_t> places(static_cast<size_t>(count), -1);
  int32_t next = 0;
  for (const int64_t gene : genes) {
    int32_t& place = places[static_cast<size_t>(gene)];
    if (place != -1) throw FormatError("is a view that has a gene twice");
    place = next++;
  }
  return places;
}

CellMatrix matrix_at_places(const CellMatrix& matrix, const std::vector<int64_t>& cells,
                            const std::vector<int64_t>& genes, Budget& budget) {
  const std::vector<int32_t> places = new_places(genes, matrix.genes);
  CellMatrix out{
      static_cast<int64_t>(cells.size()), static_cast<int64_t>(genes.size()), {0}, {}, {}};
  for (const int64_t cell : cells) {
    std::vector<std::pair<int32_t, double>> line;
    const auto at = static_cast<size_t>(cell);
    for (auto i = static_cast<size_t>(matrix.starts[at]);
         i < static_cast<size_t>(matrix.starts[at + 1]); ++i) {
      const int32_t place = places[static_cast<size_t>(matrix.gene[i])];
      if (place != -1) line.emplace_back(place, matrix.value[i]);
    }
    budget.spend(static_cast<int64_t>(line.size()) + 1, "the values of a view");
    std::sort(line.begin(), line.end());
    for (const auto& [place, value] : line) {
      out.gene.push_back(place);
      out.value.push_back(value);
    }
    out.starts.push_back(static_cast<int32_t>(out.value.size()));
  }
  return out;
}

}  // namespace

AnnData chosen_part(const AnnData& whole, const std::vector<int64_t>& cells,
                    const std::vector<int64_t>& genes, Budget& budget) {
  check_places(cells, whole.counts.cells);
  check_places(genes, whole.counts.genes);
  AnnData out{matrix_at_places(whole.counts, cells, genes, budget),
              texts_at_places(whole.cell_names, cells, budget),
              texts_at_places(whole.gene_names, genes, budget),
              {}};
  for (const auto& [name, column] : whole.obs.children) {
    out.obs.children.emplace_back(name, column_at_places(column, cells, budget));
  }
  return out;
}

}  // namespace canal::io
