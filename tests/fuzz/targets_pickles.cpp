// Pickles, from the bare stream to the whole file of torch.save.
#include <algorithm>

#include "engine/checkpoint.h"
#include "engine/io/format_error.h"
#include "engine/io/pickle_anndata.h"
#include "engine/io/pickle_numpy.h"
#include "engine/io/pickle_pandas.h"
#include "engine/io/pickle_values.h"
#include "memory_file.h"
#include "pickle_builder.h"
#include "targets.h"

namespace canal_fuzz {

namespace {

using namespace canal;
using namespace canal::io;

// Values may be refused one by one.
template <class Work>
void try_value(Work&& work) {
  try {
    work();
  } catch (const FormatError&) {
  }
}

void look_at(const Pickle& pickle, NodeId id, Budget& budget) {
  kind_name(pickle, id);
  text_of(pickle, id);
  integer_of(pickle, id);
  items_of(pickle, id);
  try_value([&] { bytes_of(pickle, id); });
  try_value([&] { integers_of(pickle, id, "a shape"); });
  try_value([&] { entries_of(pickle, id); });
  try_value([&] { scalar_text(pickle, id, budget); });
  try_value([&] { scalar_number(pickle, id, budget); });
  try_value([&] { numbers_at(pickle, id, budget); });
  try_value([&] { objects_at(pickle, id, budget); });
  try_value([&] { texts_at(pickle, id, budget); });
  try_value([&] { integers_at(pickle, id, budget); });
}

void pickle(std::string_view bytes) {
  try {
    const Pickle pickle = read_pickle(bytes, 0);
    Budget budget(static_cast<int64_t>(bytes.size()) * 4);
    look_at(pickle, pickle.root, budget);
    // The first values and the last: all of them would take the square of the time.
    const auto count = static_cast<NodeId>(pickle.nodes.size());
    for (NodeId id = 0; id < std::min<NodeId>(count, 32); ++id) {
      look_at(pickle, id, budget);
      look_at(pickle, count - 1 - id, budget);
    }
  } catch (const FormatError&) {
  }
}

// Every AnnData, table and index in a pickle.
void anndata(std::string_view bytes) {
  try {
    const Pickle pickle = read_pickle(bytes, 0);
    Budget budget(static_cast<int64_t>(bytes.size()) * 4);
    const auto count = static_cast<NodeId>(std::min<size_t>(pickle.nodes.size(), 1024));
    for (NodeId id = 0; id < count; ++id) {
      if (is_anndata(pickle, id)) try_value([&] { anndata_at(pickle, id, budget); });
    }
    const NodeId root = pickle.root;
    try_value([&] { table_at(pickle, root, budget); });
    try_value([&] { index_at(pickle, root, budget); });
  } catch (const FormatError&) {
  }
}

void read_bytes(std::string_view bytes) {
  try {
    read_checkpoint(as_file(bytes));
  } catch (const Error&) {
  }
}

// A pickle in a zip file whose checksums are right, beside storages of 4 kB.
void payload(std::string_view bytes) {
  static const std::string numbers(4096, '\x3f');
  read_bytes(io_test::zip_of({{"f/data.pkl", std::string(bytes)},
                              {"f/data/0", numbers},
                              {"f/data/1", numbers},
                              {"f/data/2", numbers}}));
}

}  // namespace

std::vector<Target> pickle_targets() {
  return {{"pickle", pickle, 2 * mebibyte, 400},
          {"anndata", anndata, 2 * mebibyte, 400},
          {"payload", payload, 2 * mebibyte, 400},
          {"checkpoint", read_bytes, 2 * mebibyte, 400}};
}

}  // namespace canal_fuzz
