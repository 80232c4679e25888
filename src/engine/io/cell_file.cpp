#include "engine/cell_file.h"

#include "engine/io/h5ad.h"
#include "engine/io/tenx.h"
#include "engine/io/tree_read.h"
#include "engine/runtime.h"

namespace canal {

using namespace io;

namespace {

// An AnnData file may have a group of any name beside its own.
bool is_tenx(const Hdf5File& file) { return !is_h5ad(file) && !tenx_matrices(file).empty(); }

}  // namespace

AnnData read_h5ad(const std::string& path, const std::string& layer, const Control& control) {
  const QuietHdf5 quiet;
  return with_path(path, [&] { return read_anndata(open_tree_file(path, &control), layer); });
}

CellFile inspect_cell_file(const std::string& path) {
  const QuietHdf5 quiet;
  return with_path(path, [&]() -> CellFile {
    const Hdf5File file = open_tree_file(path);
    if (is_tenx(file)) return {CellFormat::tenx, tenx_matrices(file)};
    check_h5ad(file);
    return {CellFormat::anndata, h5ad_matrices(file)};
  });
}

CellHeader read_cell_header(const std::string& path, const std::string& layer,
                            const Control& control) {
  const QuietHdf5 quiet;
  return with_path(path, [&] {
    const Hdf5File file = open_tree_file(path, &control);
    return is_tenx(file) ? tenx_header(file, layer) : h5ad_header(file, layer);
  });
}

CellMatrix read_cells(const std::string& path, const std::string& layer, int64_t first,
                      int64_t count, const Control& control) {
  const QuietHdf5 quiet;
  return with_path(path, [&] {
    const Hdf5File file = open_tree_file(path, &control);
    return is_tenx(file) ? tenx_cells(file, layer, first, count)
                         : h5ad_cells(file, layer, first, count);
  });
}

CellsAhead::CellsAhead(const std::string& path, const std::string& layer, int64_t first,
                       int64_t count)
    : matrix_([=] {
        require_thread_memory(1);
        return std::async(std::launch::async,
                          [=] { return read_cells(path, layer, first, count, control_); });
      }()) {}

}  // namespace canal
