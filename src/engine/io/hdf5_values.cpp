#include "engine/io/hdf5_values.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <unordered_set>

#include "engine/array.h"

namespace canal::io {

namespace {

// h5py's boolean: an enum of exactly FALSE = 0 and TRUE = 1.
bool is_boolean(hid_t type) {
  if (H5Tget_class(type) != H5T_ENUM || H5Tget_nmembers(type) != 2) return false;
  for (unsigned i = 0; i < 2; ++i) {
    char* name = H5Tget_member_name(type, i);
    const bool known =
        name != nullptr && (std::strcmp(name, "FALSE") == 0 || std::strcmp(name, "TRUE") == 0);
    H5free_memory(name);
    if (!known) return false;
  }
  return true;
}

Tree::Kind integer_kind(hid_t type) {
  const size_t size = H5Tget_size(type);
  const bool is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
  if (size == 1 && !is_signed) return Tree::Kind::uint8;
  const bool narrow = size < 4 || (size == 4 && is_signed);
  return narrow ? Tree::Kind::int32 : Tree::Kind::int64;
}

bool is_unsigned64(hid_t type) {
  return H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 8 &&
         H5Tget_sign(type) == H5T_SGN_NONE;
}

// HDF5 would clip what an int64 cannot hold, in silence.
void read_unsigned64(Tree& tree, const Transfer& transfer, const std::string& what) {
  std::vector<uint64_t> wide(tree.int64.size());
  check_hdf5(transfer(H5T_NATIVE_UINT64, H5P_DEFAULT, wide.data()), what);
  for (size_t i = 0; i < wide.size(); ++i) {
    if (wide[i] > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      throw FormatError(what + ": " + std::to_string(wide[i]) + " is over 2^63 - 1");
    }
    tree.int64[i] = static_cast<int64_t>(wide[i]);
  }
}

Handle text_type(size_t size) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "no text type");
  check_hdf5(H5Tset_size(type, size), "no text type");
  check_hdf5(H5Tset_cset(type, H5T_CSET_UTF8), "no text type");
  return type;
}

// A type to read texts with: HDF5 converts neither character sets nor between the two kinds.
Handle matching_text_type(hid_t file_type, bool variable) {
  Handle type = text_type(variable ? H5T_VARIABLE : H5Tget_size(file_type));
  check_hdf5(H5Tset_cset(type, H5Tget_cset(file_type)), "no text type");
  check_hdf5(H5Tset_strpad(type, variable ? H5T_STR_NULLTERM : H5Tget_strpad(file_type)),
             "no text type");
  return type;
}

void read_fixed_text(Tree& tree, hid_t file_type, const Transfer& transfer,
                     const std::string& what) {
  const Handle type = matching_text_type(file_type, false);
  const size_t width = H5Tget_size(file_type);
  std::string bytes(tree.text.size() * width, '\0');
  check_hdf5(transfer(type, H5P_DEFAULT, bytes.data()), what);
  const bool spaces = H5Tget_strpad(file_type) == H5T_STR_SPACEPAD;
  for (size_t i = 0; i < tree.text.size(); ++i) {
    std::string text = bytes.substr(i * width, width);
    text.resize(std::min(text.find('\0'), text.size()));
    if (spaces) text.resize(text.find_last_not_of(' ') + 1);
    tree.text[i] = std::move(text);
  }
}

// The memory of the texts of one reading. Any number of them may lie at one place of a file, so
// that a small one could fill the memory; and HDF5 loses those of a reading that fails half way.
struct TextMemory {
  uint64_t left;
  std::unordered_set<void*> held;

  explicit TextMemory(uint64_t most) : left(most) {}
  TextMemory(const TextMemory&) = delete;
  TextMemory& operator=(const TextMemory&) = delete;
  ~TextMemory() {
    for (void* text : held) std::free(text);
  }
};

// HDF5 calls these, which is written in C: nothing may be thrown. It does not for attributes, whose
// texts come from malloc().
void* allocate_text(size_t size, void* memory) {
  auto& texts = *static_cast<TextMemory*>(memory);
  if (size > texts.left) return nullptr;
  void* text = std::malloc(size);
  if (text == nullptr) return nullptr;
  try {
    texts.held.insert(text);
  } catch (const std::bad_alloc&) {
    std::free(text);
    return nullptr;
  }
  texts.left -= size;
  return text;
}

void free_text(void* text, void* memory) {
  static_cast<TextMemory*>(memory)->held.erase(text);
  std::free(text);
}

// HDF5 allocates each text; they are given back whatever happens. Not by its own function for that,
// which divides by zero where an array has 32 dimensions (1.10.8).
class TextBuffers {
 public:
  TextBuffers(size_t count, uint64_t most_text)
      : texts_(count),
        memory_(most_text),
        properties_(H5Pcreate(H5P_DATASET_XFER), H5Pclose, "texts cannot be read") {
    check_hdf5(H5Pset_vlen_mem_manager(properties_, allocate_text, &memory_, free_text, &memory_),
               "texts cannot be read");
  }
  // What a reading that failed half way has left here may be anything: `memory_` knows its own.
  ~TextBuffers() {
    if (!whole_) return;
    for (char* text : texts_) free_text(text, &memory_);
  }
  TextBuffers(const TextBuffers&) = delete;
  TextBuffers& operator=(const TextBuffers&) = delete;

  const std::vector<char*>& read(const Transfer& transfer, hid_t type, const std::string& what) {
    check_hdf5(transfer(type, properties_, texts_.data()), what);
    whole_ = true;
    return texts_;
  }

 private:
  std::vector<char*> texts_;
  bool whole_ = false;
  TextMemory memory_;
  Handle properties_;
};

void read_variable_text(Tree& tree, hid_t file_type, const Transfer& transfer, uint64_t most_text,
                        const std::string& what) {
  const Handle type = matching_text_type(file_type, true);
  TextBuffers buffers(tree.text.size(), most_text);
  const std::vector<char*>& texts = buffers.read(transfer, type, what);
  for (size_t i = 0; i < tree.text.size(); ++i) {
    if (texts[i] != nullptr) tree.text[i] = texts[i];
  }
}

template <class Value>
void read_numbers(std::vector<Value>& values, const Tree& tree, const Transfer& transfer,
                  const std::string& what) {
  check_hdf5(transfer(memory_type_of(tree), H5P_DEFAULT, values.data()), what);
}

// Texts are written at one length: HDF5's variable ones lie in a heap of their own, where they are
// never compressed and where one damaged byte can crash the library.
Handle padded_text_type(const Tree& tree) {
  Handle type = text_type(text_width(tree));
  check_hdf5(H5Tset_strpad(type, H5T_STR_NULLPAD), "no text type");
  return type;
}

Handle copy_type(hid_t type) { return Handle(H5Tcopy(type), H5Tclose, "no type"); }

Handle boolean_type() {
  Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose, "no boolean type");
  const int8_t no = 0;
  const int8_t yes = 1;
  check_hdf5(H5Tenum_insert(type, "FALSE", &no), "no boolean type");
  check_hdf5(H5Tenum_insert(type, "TRUE", &yes), "no boolean type");
  return type;
}

}  // namespace

bool set_kind(hid_t file_type, Tree& tree) {
  const size_t size = H5Tget_size(file_type);
  switch (H5Tget_class(file_type)) {
    case H5T_FLOAT: tree.kind = size <= 4 ? Tree::Kind::float32 : Tree::Kind::float64; return true;
    case H5T_INTEGER: tree.kind = integer_kind(file_type); return size <= 8;
    case H5T_STRING: tree.kind = Tree::Kind::text; return true;
    case H5T_ENUM: {
      tree.boolean = is_boolean(file_type);
      const Handle base(H5Tget_super(file_type), H5Tclose, "has an enum without a base");
      tree.kind = tree.boolean ? Tree::Kind::uint8 : integer_kind(base);
      return true;
    }
    default: return false;
  }
}

size_t memory_width(hid_t file_type, const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::uint8: return 1;
    case Tree::Kind::float32:
    case Tree::Kind::int32: return 4;
    case Tree::Kind::text:
      return sizeof(std::string) + (H5Tis_variable_str(file_type) > 0 ? 0 : H5Tget_size(file_type));
    default: return 8;
  }
}

size_t text_width(const Tree& tree) {
  size_t width = 1;
  for (const std::string& text : tree.text) width = std::max(width, text.size());
  return width;
}

size_t value_count(const Tree& tree) { return static_cast<size_t>(element_count(tree.shape)); }

void read_values(Tree& tree, hid_t file_type, const Transfer& transfer, uint64_t most_text,
                 const std::string& what) {
  const size_t count = value_count(tree);
  switch (tree.kind) {
    case Tree::Kind::float32: tree.float32.resize(count); break;
    case Tree::Kind::float64: tree.float64.resize(count); break;
    case Tree::Kind::int32: tree.int32.resize(count); break;
    case Tree::Kind::int64: tree.int64.resize(count); break;
    case Tree::Kind::uint8: tree.uint8.resize(count); break;
    case Tree::Kind::text: tree.text.resize(count); break;
    case Tree::Kind::group: break;
  }
  if (count == 0) return;
  switch (tree.kind) {
    case Tree::Kind::float32: read_numbers(tree.float32, tree, transfer, what); break;
    case Tree::Kind::float64: read_numbers(tree.float64, tree, transfer, what); break;
    case Tree::Kind::int32: read_numbers(tree.int32, tree, transfer, what); break;
    case Tree::Kind::int64:
      if (is_unsigned64(file_type)) {
        read_unsigned64(tree, transfer, what);
      } else {
        read_numbers(tree.int64, tree, transfer, what);
      }
      break;
    case Tree::Kind::uint8:
      // An enum converts to an integer of its own members only by way of plain numbers.
      check_hdf5(transfer(H5T_NATIVE_UINT8, H5P_DEFAULT, tree.uint8.data()), what);
      break;
    case Tree::Kind::text:
      if (H5Tis_variable_str(file_type) > 0) {
        read_variable_text(tree, file_type, transfer, most_text, what);
      } else {
        read_fixed_text(tree, file_type, transfer, what);
      }
      break;
    case Tree::Kind::group: break;
  }
}

Handle memory_type_of(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::float32: return copy_type(H5T_NATIVE_FLOAT);
    case Tree::Kind::float64: return copy_type(H5T_NATIVE_DOUBLE);
    case Tree::Kind::int32: return copy_type(H5T_NATIVE_INT32);
    case Tree::Kind::int64: return copy_type(H5T_NATIVE_INT64);
    case Tree::Kind::uint8: return tree.boolean ? boolean_type() : copy_type(H5T_NATIVE_UINT8);
    default: return padded_text_type(tree);
  }
}

Handle file_type_of(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::float32: return copy_type(H5T_IEEE_F32LE);
    case Tree::Kind::float64: return copy_type(H5T_IEEE_F64LE);
    case Tree::Kind::int32: return copy_type(H5T_STD_I32LE);
    case Tree::Kind::int64: return copy_type(H5T_STD_I64LE);
    case Tree::Kind::uint8: return tree.boolean ? boolean_type() : copy_type(H5T_STD_U8LE);
    default: return padded_text_type(tree);
  }
}

}  // namespace canal::io
