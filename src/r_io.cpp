// Files: AnnData, 10x matrices, canalR's own HDF5 files, checkpoints and gene tables.
#include <Rcpp.h>

#include "engine/cell_file.h"
#include "engine/checkpoint.h"
#include "engine/files.h"
#include "engine/runtime.h"
#include "engine/tree.h"
#include "r_convert.h"
#include "r_glue.h"

namespace {

// A copy as an R vector, which may take seconds: Ctrl-C is heard.
template <int Type, class Value>
Rcpp::Vector<Type> copied(const std::vector<Value>& values) {
  constexpr size_t piece = size_t{1} << 22;
  auto copy = glue::new_vector<Rcpp::Vector<Type>>(static_cast<R_xlen_t>(values.size()));
  for (size_t first = 0; first < values.size(); first += piece) {
    Rcpp::checkUserInterrupt();
    const size_t count = std::min(piece, values.size() - first);
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(first), count,
                copy.begin() + static_cast<ptrdiff_t>(first));
  }
  return copy;
}

Rcpp::List matrix_slots(const canal::CellMatrix& matrix) {
  const Rcpp::IntegerVector starts = copied<INTSXP>(matrix.starts);
  const Rcpp::IntegerVector genes = copied<INTSXP>(matrix.gene);
  const Rcpp::NumericVector values = copied<REALSXP>(matrix.value);
  return Rcpp::List::create(Rcpp::Named("p") = starts, Rcpp::Named("i") = genes,
                            Rcpp::Named("x") = values,
                            Rcpp::Named("dims") = Rcpp::IntegerVector::create(
                                static_cast<int>(matrix.genes), static_cast<int>(matrix.cells)));
}

// A genes x cells dgCMatrix in parts, and what is known of the cells and genes.
Rcpp::List bank_to_r(const canal::AnnData& bank) {
  const Rcpp::List obs = glue::tree_to_r(bank.obs, glue::Float32Form::numeric);
  return Rcpp::List::create(Rcpp::Named("values") = matrix_slots(bank.counts),
                            Rcpp::Named("genes") = glue::text_to_r(bank.gene_names),
                            Rcpp::Named("cells") = glue::text_to_r(bank.cell_names),
                            Rcpp::Named("obs") = obs);
}

Rcpp::NumericVector settings_to_r(const std::vector<std::pair<std::string, double>>& settings) {
  std::vector<std::string> names;
  std::vector<double> values;
  for (const auto& [name, value] : settings) {
    names.push_back(name);
    values.push_back(value);
  }
  Rcpp::NumericVector out(values.begin(), values.end());
  out.names() = glue::text_to_r(names);
  return out;
}

canal::Checkpoint checkpoint_from_r(Rcpp::List parts) {
  canal::Checkpoint out;
  out.weights = glue::weights_from_r(parts["weights"]);
  out.annotation = glue::text_from_r(parts["annotation"]);
  out.variable_genes0 = Rcpp::as<std::vector<int64_t>>(parts["variable_genes0"]);
  out.genes = glue::text_from_r(parts["genes"]);
  out.vocabulary = glue::text_from_r(parts["vocabulary"]);
  const Rcpp::NumericVector settings = parts["settings"];
  const std::vector<std::string> names = glue::text_from_r(settings.names());
  for (size_t i = 0; i < names.size(); ++i) {
    out.settings.emplace_back(names[i], settings[static_cast<R_xlen_t>(i)]);
  }
  out.preset = Rcpp::as<std::string>(parts["preset"]);
  out.positions = Rcpp::as<std::string>(parts["positions"]);
  out.epoch = Rcpp::as<int>(parts["epoch"]);
  return out;
}

}  // namespace

// A genes x cells dgCMatrix is the file's cells x genes matrix in compressed rows.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_read_h5ad(std::string path, std::string layer) {
  canal::Control control;
  canal::AnnData data;
  glue::run_or_interrupt(control, R_NilValue,
                         [&] { data = canal::read_h5ad(path, layer, control); });
  return glue::guarded([&] {
    const Rcpp::List obs = glue::tree_to_r(data.obs, glue::Float32Form::numeric);
    return Rcpp::List::create(Rcpp::Named("counts") = matrix_slots(data.counts),
                              Rcpp::Named("genes") = glue::text_to_r(data.gene_names),
                              Rcpp::Named("cells") = glue::text_to_r(data.cell_names),
                              Rcpp::Named("obs") = obs);
  });
}

// What a file with cells is, told by its content: `format` ("h5ad" or "10x") and the names of its
// `matrices`, one of which is the `layer` of the calls below.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cell_file(std::string path) {
  return glue::guarded([&] {
    const canal::CellFile file = canal::inspect_cell_file(path);
    const bool tenx = file.format == canal::CellFormat::tenx;
    return Rcpp::List::create(Rcpp::Named("format") = tenx ? "10x" : "h5ad",
                              Rcpp::Named("matrices") = glue::text_to_r(file.matrices));
  });
}

// For files that R reads: it would wait at a pipe for ever. Raises an error of files.
// [[Rcpp::export(rng = false)]]
void cpp_check_regular_file(std::string path) {
  glue::guarded([&] { canal::check_regular_file(path); });
}

// For files that R writes: which one of this name it replaces. Raises an error of files.
// [[Rcpp::export(rng = false)]]
std::string cpp_file_to_replace(std::string path) {
  return glue::guarded([&] { return canal::file_to_replace(path); });
}

// Names and extents; `by_cells` tells whether cpp_read_cells() can be asked. `ids` and `types`: of
// the features of a 10x file, one per gene; empty where none are told.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cell_header(std::string path, std::string layer) {
  canal::Control control;
  canal::CellHeader header;
  glue::run_or_interrupt(control, R_NilValue,
                         [&] { header = canal::read_cell_header(path, layer, control); });
  return glue::guarded([&] {
    return Rcpp::List::create(Rcpp::Named("genes") = glue::text_to_r(header.gene_names),
                              Rcpp::Named("cells") = glue::text_to_r(header.cell_names),
                              Rcpp::Named("ids") = glue::text_to_r(header.gene_ids),
                              Rcpp::Named("types") = glue::text_to_r(header.feature_types),
                              Rcpp::Named("values") = static_cast<double>(header.values),
                              Rcpp::Named("by_cells") = header.by_cells);
  });
}

// Cells `first` to `last`, counted from 1, as the slots of a genes x cells dgCMatrix.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_read_cells(std::string path, std::string layer, double first, double last) {
  const auto from = static_cast<int64_t>(first);
  const auto to = static_cast<int64_t>(last);
  canal::Control control;
  canal::CellMatrix cells;
  glue::run_or_interrupt(control, R_NilValue, [&] {
    cells = canal::read_cells(path, layer, from - 1, to - from + 1, control);
  });
  return glue::guarded([&] { return matrix_slots(cells); });
}

// Starts to read cells, which cpp_take_cells() gives.
// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::CellsAhead> cpp_read_ahead(std::string path, std::string layer, double first,
                                             double last) {
  const auto from = static_cast<int64_t>(first);
  const auto to = static_cast<int64_t>(last);
  return glue::guarded([&] {
    return Rcpp::XPtr<canal::CellsAhead>(
        new canal::CellsAhead(path, layer, from - 1, to - from + 1));
  });
}

// Once. The pointer is empty afterwards.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_take_cells(Rcpp::XPtr<canal::CellsAhead> ahead) {
  return glue::guarded([&] {
    const canal::CellMatrix matrix = ahead->take();
    ahead.release();
    return matrix_slots(matrix);
  });
}

// Waits until nothing is read any more.
// [[Rcpp::export(rng = false)]]
void cpp_forget_cells(Rcpp::XPtr<canal::CellsAhead> ahead) { ahead.release(); }

// `float32`: "numeric" or "raw", the form of float32 arrays in R.
// [[Rcpp::export(rng = false)]]
SEXP cpp_read_tree(std::string path, std::string place, std::string float32) {
  return glue::guarded([&]() -> SEXP {
    if (float32 != "numeric" && float32 != "raw") {
      throw canal::Error(canal::ErrorKind::input,
                         "`float32` must be \"numeric\" or \"raw\"; got \"" + float32 + "\".");
    }
    const bool raw = float32 == "raw";
    const Rcpp::RObject tree = glue::tree_to_r(
        canal::read_tree(path, place), raw ? glue::Float32Form::raw : glue::Float32Form::numeric);
    canal::return_freed_memory();
    return tree;
  });
}

// [[Rcpp::export(rng = false)]]
void cpp_write_tree(std::string path, Rcpp::List list) {
  glue::guarded([&] { canal::write_tree(path, glue::tree_from_r(list)); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::CharacterVector cpp_list_names(std::string path, std::string place) {
  return glue::guarded([&] { return glue::text_to_r(canal::list_names(path, place)); });
}

// `bank` is NULL where the file has none that can be read.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_read_checkpoint(std::string path) {
  return glue::guarded([&] {
    const canal::Checkpoint checkpoint = canal::read_checkpoint(path);
    const Rcpp::RObject places = glue::integers_to_r(checkpoint.variable_genes0);
    Rcpp::RObject bank = R_NilValue;
    if (checkpoint.bank) bank = bank_to_r(*checkpoint.bank);
    return Rcpp::List::create(
        Rcpp::Named("weights") = glue::weights_to_r(checkpoint.weights),
        Rcpp::Named("annotation") = glue::text_to_r(checkpoint.annotation),
        Rcpp::Named("variable_genes0") = places,
        Rcpp::Named("genes") = glue::text_to_r(checkpoint.genes),
        Rcpp::Named("vocabulary") = glue::text_to_r(checkpoint.vocabulary),
        Rcpp::Named("settings") = settings_to_r(checkpoint.settings),
        Rcpp::Named("preset") = checkpoint.preset, Rcpp::Named("positions") = checkpoint.positions,
        Rcpp::Named("bank") = bank, Rcpp::Named("bank_problem") = checkpoint.bank_problem,
        Rcpp::Named("skipped") = glue::text_to_r(checkpoint.skipped));
  });
}

// parts: a list as R/export.R makes it. `format`: "pth" or "safetensors".
// [[Rcpp::export(rng = false)]]
void cpp_write_checkpoint(std::string path, std::string format, Rcpp::List parts) {
  glue::guarded([&] {
    const canal::Checkpoint checkpoint = checkpoint_from_r(parts);
    if (format == "pth") {
      canal::write_torch_checkpoint(path, checkpoint);
    } else {
      canal::write_safetensors(path, checkpoint);
    }
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_read_npy(std::string path) {
  return glue::guarded([&] { return glue::matrix_to_r(canal::read_npy(path)); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_read_word2vec(std::string path) {
  return glue::guarded([&] {
    const canal::WordVectors vectors = canal::read_word2vec(path);
    return Rcpp::List::create(Rcpp::Named("words") = glue::text_to_r(vectors.words),
                              Rcpp::Named("table") = glue::matrix_to_r(vectors.table));
  });
}
