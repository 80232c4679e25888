// Example banks that were pickled as whole AnnData objects.
#include "engine/checkpoint.h"
#include "io_support.h"
#include "pickle_builder.h"

namespace {

using namespace io_test;
using canal::AnnData;
using canal::Checkpoint;

std::string fixture(const std::string& name) {
  return package_file("tests/testthat/fixtures/bank-" + name + ".pth");
}

// The formula of make-banks.py.
double expected_value(int64_t cell, int64_t gene) {
  return static_cast<double>((3 * cell + 5 * gene + 1) % 7) * 1.25;
}

void expect_matrix(const AnnData& bank, const std::string& name) {
  const canal::CellMatrix& matrix = bank.counts;
  ASSERT_EQ(matrix.cells, 6) << name;
  ASSERT_EQ(matrix.genes, 5) << name;
  ASSERT_EQ(matrix.starts.size(), 7u) << name;
  size_t at = 0;
  for (int64_t cell = 0; cell < 6; ++cell) {
    for (int64_t gene = 0; gene < 5; ++gene) {
      if (expected_value(cell, gene) == 0) continue;
      ASSERT_LT(at, matrix.value.size()) << name;
      EXPECT_EQ(matrix.gene[at], gene) << name;
      EXPECT_EQ(matrix.value[at], expected_value(cell, gene)) << name;
      ++at;
    }
    EXPECT_EQ(matrix.starts[static_cast<size_t>(cell) + 1], static_cast<int32_t>(at)) << name;
  }
}

TEST(PickledAnnData, MatricesOfEveryKindAreReadByCells) {
  for (const char* name : {"csr", "dense", "csc-old", "view", "view-genes"}) {
    const Checkpoint checkpoint = canal::read_checkpoint(fixture(name));
    ASSERT_TRUE(checkpoint.bank) << name << ": " << checkpoint.bank_problem;
    expect_matrix(*checkpoint.bank, name);
    EXPECT_TRUE(checkpoint.skipped.empty()) << name << ": " << checkpoint.skipped.front();
    EXPECT_EQ(checkpoint.bank->cell_names[5], "cell5");
  }
}

TEST(PickledAnnData, ColumnsAreThoseOfTheTable) {
  const std::vector<std::string> types{"beta", "alpha", "beta", "delta", "alpha", "beta"};
  const AnnData csr = *canal::read_checkpoint(fixture("csr")).bank;
  ASSERT_NE(csr.obs.child("celltype"), nullptr);
  EXPECT_EQ(csr.obs.child("celltype")->text, types);
  EXPECT_EQ(csr.obs.child("rank")->float64, (std::vector<double>{2, 1, 1, 1, 2, 3}));
  EXPECT_EQ(csr.obs.child("depth")->float64[5], 1);
  EXPECT_EQ(csr.obs.children.size(), 4u);
  const AnnData dense = *canal::read_checkpoint(fixture("dense")).bank;
  EXPECT_EQ(dense.obs.child("Cell_Type")->text, types);
  EXPECT_EQ(dense.obs.child("n")->float64, (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(dense.obs.child("Rank")->float64, (std::vector<double>{1, 0, 0, 0, 1, 2}));
  const AnnData missing = *canal::read_checkpoint(fixture("missing")).bank;
  EXPECT_EQ(missing.obs.child("celltype"), nullptr);
  EXPECT_NE(missing.obs.child("n"), nullptr);
}

// The fixture's parts, so that its pickle can be changed and packed again with right checksums.
struct Parts {
  std::string pickle;
  ZipEntries storages;
};

Parts unpack(const std::string& bytes) {
  canal::io::ZipFile zip(bytes);
  const std::string name = zip.name_ending("/data.pkl");
  const std::string folder = name.substr(0, name.size() - 8);
  Parts parts{std::string(zip.read(name)), {}};
  for (int i = 0; zip.has(folder + "data/" + std::to_string(i)); ++i) {
    const std::string storage = "data/" + std::to_string(i);
    parts.storages.emplace_back("f/" + storage, std::string(zip.read(folder + storage)));
  }
  return parts;
}

std::string pack(const Parts& parts, const std::string& pickle) {
  ZipEntries entries{{"f/data.pkl", pickle}};
  entries.insert(entries.end(), parts.storages.begin(), parts.storages.end());
  return zip_of(entries);
}

TEST(PickledAnnData, AChangedByteIsReadOrRefused) {
  const TempFolder folder;
  size_t problems = 0;
  for (const char* name : {"csr", "csc-old"}) {
    const Parts parts = unpack(read_bytes(fixture(name)));
    const size_t start = parts.pickle.find("anndata");
    ASSERT_NE(start, std::string::npos);
    for (size_t at = start; at < parts.pickle.size(); at += 5) {
      std::string changed = parts.pickle;
      changed[at] = static_cast<char>(changed[at] ^ 0x01);
      const std::string path = folder.write("f.pth", pack(parts, changed));
      try {
        problems += canal::read_checkpoint(path).bank ? 0 : 1;
      } catch (const canal::Error& error) {
        EXPECT_EQ(error.kind(), canal::ErrorKind::file) << error.what();
      }
    }
  }
  EXPECT_GT(problems, 40u);
}

// ---- Objects by hand
// -----------------------------------------------------------------------------

std::string object(const std::string& module, const std::string& name, const std::string& state) {
  return global(module, name) + ")\x81" + state + "b";
}

std::string numpy_array(const std::string& type, const std::string& shape,
                        const std::string& data) {
  const std::string data_type = call(global("numpy", "dtype"), {text(type), "\x89", "\x88"}) +
                                tuple({integer(3), text(type[0] == 'O' ? "|" : "<"), none, none,
                                       none, integer(-1), integer(-1), integer(0)}) +
                                "b";
  return call(global("numpy.core.multiarray", "_reconstruct"),
              {global("numpy", "ndarray"), integers({0}), bytes3("b")}) +
         tuple({integer(1), shape, data_type, "\x89", data}) + "b";
}

std::string whole_numbers(const std::vector<int64_t>& values) {
  return numpy_array("i8", integers({static_cast<int64_t>(values.size())}),
                     bytes3(bytes_of(values)));
}

std::string index_of(const std::string& data) {
  return call(global("pandas.core.indexes.base", "_new_Index"),
              {global("pandas.core.indexes.base", "Index"), dict({text("data"), data})});
}

std::string names(const std::vector<std::string>& values) {
  std::vector<std::string> items;
  items.reserve(values.size());
  for (const std::string& value : values) items.push_back(text(value));
  return index_of(numpy_array("O8", integers({static_cast<int64_t>(values.size())}), list(items)));
}

std::string categorical(const std::string& categories, const std::string& codes) {
  const std::string type = object("pandas.core.dtypes.dtypes", "CategoricalDtype",
                                  dict({text("categories"), categories}));
  return object("pandas.core.arrays.categorical", "Categorical",
                dict({text("_dtype"), type, text("_codes"), codes}));
}

// A table with one column "c" of these values at this place.
std::string table(const std::string& rows, const std::string& values,
                  const std::string& place = whole_numbers({0})) {
  const std::string block =
      call(global("pandas._libs.internals", "_unpickle_block"), {values, place, integer(2)});
  const std::string manager = call(global("pandas.core.internals.managers", "BlockManager"),
                                   {tuple({block}), list({names({"c"}), rows})});
  return object("pandas.core.frame", "DataFrame", dict({text("_mgr"), manager}));
}

std::string anndata(const std::string& matrix, const std::string& obs, const std::string& var) {
  return object(
      "anndata._core.anndata", "AnnData",
      dict({text("_is_view"), "\x89", text("_X"), matrix, text("_obs"), obs, text("_var"), var}));
}

std::string slice(int64_t from, int64_t to, int64_t step) {
  return call(global("builtins", "slice"), {integer(from), integer(to), integer(step)});
}

const std::string two_by_two =
    numpy_array("f8", integers({2, 2}), bytes3(bytes_of(std::vector<double>{1, 0, 2, 3})));
const std::string two_types =
    numpy_array("O8", integers({1, 2}), list({text("alpha"), text("beta")}));
const std::string cells = table(names({"x", "y"}), two_types);
const std::string genes = table(names({"A", "B"}), two_types);

Checkpoint with_bank(const std::string& bank) {
  const TempFolder folder;
  const std::string value =
      dict({text("state_dict"), dict({text("w"), tensor({})}), text("example_bank"), bank});
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  return canal::read_checkpoint(folder.write("f.pth", torch_zip(value, {bytes_of(six)})));
}

void expect_problem(const std::string& fragment, const std::string& bank) {
  const Checkpoint checkpoint = with_bank(bank);
  EXPECT_FALSE(checkpoint.bank);
  EXPECT_NE(checkpoint.bank_problem.find(fragment), std::string::npos)
      << "expected: " << fragment << "; got: " << checkpoint.bank_problem;
  EXPECT_EQ(checkpoint.weights.size(), 1u);
}

TEST(PickledAnnData, TheOneByHandIsReadToo) {
  const Checkpoint checkpoint = with_bank(anndata(two_by_two, cells, genes));
  ASSERT_TRUE(checkpoint.bank) << checkpoint.bank_problem;
  EXPECT_EQ(checkpoint.bank->obs.child("c")->text, (std::vector<std::string>{"alpha", "beta"}));
  EXPECT_EQ(checkpoint.bank->gene_names, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(checkpoint.bank->counts.value, (std::vector<double>{1, 2, 3}));
}

std::string sparse(const std::string& kind, const std::vector<int64_t>& shape,
                   const std::vector<int64_t>& starts, const std::vector<int64_t>& places,
                   const std::vector<double>& values) {
  return object("scipy.sparse._" + kind, kind + "_matrix",
                dict({text("_shape"), integers(shape), text("indptr"), whole_numbers(starts),
                      text("indices"), whole_numbers(places), text("data"),
                      numpy_array("f8", integers({static_cast<int64_t>(values.size())}),
                                  bytes3(bytes_of(values)))}));
}

TEST(PickledAnnData, SparseValuesAreSortedAndTwiceNamedOnesAddUp) {
  for (const char* kind : {"csr", "csc"}) {
    const Checkpoint checkpoint = with_bank(
        anndata(sparse(kind, {2, 2}, {0, 3, 4}, {1, 0, 1, 1}, {1, 2, 4, 8}), cells, genes));
    ASSERT_TRUE(checkpoint.bank) << checkpoint.bank_problem;
    const bool by_rows = std::string(kind) == "csr";
    EXPECT_EQ(checkpoint.bank->counts.starts,
              by_rows ? (std::vector<int32_t>{0, 2, 3}) : (std::vector<int32_t>{0, 1, 3}));
    EXPECT_EQ(checkpoint.bank->counts.gene,
              by_rows ? (std::vector<int32_t>{0, 1, 1}) : (std::vector<int32_t>{0, 0, 1}));
    EXPECT_EQ(checkpoint.bank->counts.value, (std::vector<double>{2, 5, 8}));
  }
}

TEST(PickledAnnData, DamagedMatricesAreAProblemOfTheBankAlone) {
  const auto refuse = [](const std::string& fragment, const std::string& matrix) {
    expect_problem(fragment, anndata(matrix, cells, genes));
  };
  const std::string parts = "parts do not fit together";
  refuse(parts, sparse("csr", {2, 2}, {0, 1}, {0}, {1}));
  refuse(parts, sparse("csr", {2, 2}, {0, 2, 1}, {0}, {1}));
  refuse(parts, sparse("csr", {2, 2}, {1, 1, 1}, {0}, {1}));
  refuse(parts, sparse("csr", {2, 2}, {0, 1, 1}, {2}, {1}));
  refuse(parts, sparse("csr", {2, 2}, {0, 1, 1}, {-1}, {1}));
  refuse(parts, sparse("csr", {2, 2}, {0, 1, 1}, {0, 1}, {1}));
  refuse(parts, sparse("csc", {2, 2}, {}, {}, {}));
  refuse("negative or too large", sparse("csr", {-2, 2}, {0}, {}, {}));
  refuse("negative or too large", sparse("csr", {0, int64_t{1} << 40}, {0}, {}, {}));
  refuse("far more than the file can hold", sparse("csr", {0, 2000000000}, {0}, {}, {}));
  refuse("of the kind scipy.sparse._coo.coo_matrix",
         object("scipy.sparse._coo", "coo_matrix", dict({})));
  refuse("of an unknown layout", object("scipy.sparse._csr", "csr_matrix", dict({})));
  refuse("has no matrix X", none);
  refuse("has not two dimensions",
         numpy_array("f8", integers({1}), bytes3(bytes_of(std::vector<double>{1}))));
  refuse("do not fit its shape",
         numpy_array("f8", integers({int64_t{1} << 32, int64_t{1} << 32}), bytes3("12345678")));
  refuse("does not fit its cells and genes",
         numpy_array("f8", integers({1, 2}), bytes3(bytes_of(std::vector<double>{1, 2}))));
}

TEST(PickledAnnData, DamagedTablesAreAProblemOfTheBankAlone) {
  const auto refuse = [](const std::string& fragment, const std::string& obs) {
    expect_problem(fragment, anndata(two_by_two, obs, genes));
  };
  const std::string rows = names({"x", "y"});
  refuse("where a DataFrame is expected", dict({}));
  refuse("of an unknown layout", object("pandas.core.frame", "DataFrame", dict({})));
  refuse("outside the table", table(rows, two_types, whole_numbers({1})));
  refuse("outside the table", table(rows, two_types, whole_numbers({-1})));
  refuse("without a place", table(rows, two_types, whole_numbers({0, 0})));
  refuse("of an unknown layout", table(rows, two_types, text("here")));
  refuse("differ in length", table(names({"x"}), two_types));
  refuse("data do not fit its shape",
         table(rows, numpy_array("O8", integers({1, 3}), list({text("a")}))));
  const std::string ab = names({"a", "b"});
  refuse("code has no category", table(rows, categorical(ab, whole_numbers({0, 2}))));
  refuse("code has no category", table(rows, categorical(ab, whole_numbers({0, -2}))));
  const std::string within = index_of(categorical(ab, whole_numbers({0, 1})));
  refuse("categories of categories", table(rows, categorical(within, whole_numbers({0, 1}))));
  refuse("where an index is expected", table(text("rows"), two_types));
  refuse("far more than the file", table(rows, two_types, slice(0, int64_t{1} << 39, 1)));
  refuse("unknown kind", table(rows, two_types, slice(0, INT64_MAX, 1)));
  refuse("unknown kind", table(rows, two_types, slice(0, 2, 0)));
}

TEST(PickledAnnData, SmallFilesCannotFillTheMemory) {
  // One long category for every cell.
  const std::vector<int64_t> codes(20000, 0);
  const std::string longest = names({std::string(1000000, 'x')});
  expect_problem(
      "far more than the file can hold",
      anndata(two_by_two, table(names({"x"}), categorical(longest, whole_numbers(codes))), genes));
  // One array for every column.
  const std::vector<double> numbers(10000, 1.0);
  const std::string once = "q\x01";
  std::string blocks = call(global("pandas._libs.internals", "_unpickle_block"),
                            {numpy_array("f8", integers({10000}), bytes3(bytes_of(numbers))) + once,
                             whole_numbers({0}), integer(1)});
  for (int i = 0; i < 1000; ++i) {
    blocks += call(global("pandas._libs.internals", "_unpickle_block"),
                   {"h\x01", whole_numbers({0}), integer(1)});
  }
  const std::string manager = call(global("pandas.core.internals.managers", "BlockManager"),
                                   {"(" + blocks + "t", list({names({"c"}), names({"x"})})});
  expect_problem(
      "far more than the file can hold",
      anndata(two_by_two, object("pandas.core.frame", "DataFrame", dict({text("_mgr"), manager})),
              genes));
}

TEST(PickledAnnData, NoCellsAreNoMistake) {
  const std::string none_of = table(names({}), numpy_array("O8", integers({1, 0}), list({})));
  const Checkpoint checkpoint =
      with_bank(anndata(numpy_array("f8", integers({0, 2}), bytes3("")), none_of, genes));
  ASSERT_TRUE(checkpoint.bank) << checkpoint.bank_problem;
  EXPECT_EQ(checkpoint.bank->counts.starts, std::vector<int32_t>{0});
  EXPECT_EQ(checkpoint.bank->counts.genes, 2);
}

std::string view(const std::string& parent, const std::string& cells_at,
                 const std::string& genes_at) {
  return object("anndata._core.anndata", "AnnData",
                dict({text("_is_view"), "\x88", text("_adata_ref"), parent, text("_oidx"), cells_at,
                      text("_vidx"), genes_at, text("_X"), none}));
}

TEST(PickledAnnData, ViewsAreTakenFromWhatTheyLookAt) {
  const std::string parent = anndata(two_by_two, cells, genes);
  const Checkpoint checkpoint = with_bank(view(
      parent, whole_numbers({1, 1, 0}), call(global("builtins", "slice"), {none, none, none})));
  ASSERT_TRUE(checkpoint.bank) << checkpoint.bank_problem;
  EXPECT_EQ(checkpoint.bank->cell_names, (std::vector<std::string>{"y", "y", "x"}));
  EXPECT_EQ(checkpoint.bank->counts.starts, (std::vector<int32_t>{0, 2, 4, 5}));
  EXPECT_EQ(checkpoint.bank->counts.value, (std::vector<double>{2, 3, 2, 3, 1}));
  EXPECT_EQ(checkpoint.bank->obs.child("c")->text,
            (std::vector<std::string>{"beta", "beta", "alpha"}));
  const Checkpoint turned = with_bank(view(parent, slice(1, 9, 1), whole_numbers({1, 0})));
  ASSERT_TRUE(turned.bank) << turned.bank_problem;
  EXPECT_EQ(turned.bank->gene_names, (std::vector<std::string>{"B", "A"}));
  EXPECT_EQ(turned.bank->counts.gene, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(turned.bank->counts.value, (std::vector<double>{3, 2}));
}

TEST(PickledAnnData, ViewsThatCannotBeFollowedAreTold) {
  const std::string parent = anndata(two_by_two, cells, genes);
  const std::string all = slice(0, 2, 1);
  expect_problem("that are not there", view(parent, whole_numbers({2}), all));
  expect_problem("that are not there", view(parent, whole_numbers({-1}), all));
  expect_problem("has a gene twice", view(parent, all, whole_numbers({0, 0})));
  expect_problem("slice of an unknown kind", view(parent, slice(0, 2, 0), all));
  expect_problem("slice of an unknown kind", view(parent, slice(-1, 2, 1), all));
  expect_problem("index of an unknown kind", view(parent, text("all"), all));
  expect_problem("a view on something unknown", view(none, all, all));
  expect_problem("a view on a view", view(view(parent, all, all), all, all));
  // In itself.
  expect_problem("a view on a view",
                 global("anndata._core.anndata", "AnnData") + ")\x81q\x05" +
                     dict({text("_is_view"), "\x88", text("_adata_ref"), "h\x05"}) + "b");
  expect_problem(
      "far more than the file can hold",
      view(parent, numpy_array("i1", integers({200000}), bytes3(std::string(200000, '\0'))), all));
}

TEST(PickledAnnData, AnUnknownLayoutIsTold) {
  expect_problem("an AnnData without _X", object("anndata._core.anndata", "AnnData", dict({})));
  expect_problem("of an unknown layout", object("anndata._core.anndata", "AnnData", none));
  // Only its own module's class is one.
  const Checkpoint other = with_bank(object("evil", "AnnData", dict({})));
  EXPECT_EQ(other.bank_problem, "");
  EXPECT_EQ(other.skipped,
            (std::vector<std::string>{"example_bank (evil.AnnData)",
                                      "evil.AnnData (Python code the file refers to)"}));
}

}  // namespace
