// The table of what a pickle may ask for, against what the reader does and what inst/pickles.md
// says.
#include <algorithm>
#include <set>

#include "engine/io/format_error.h"
#include "engine/io/pickle.h"
#include "engine/io/pickle_table.h"
#include "engine/io/pickle_values.h"
#include "io_support.h"
#include "pickle_builder.h"

namespace {

using namespace io_test;
using canal::io::pickle_globals;
using canal::io::pickle_opcodes;
using canal::io::PickleGlobal;
using canal::io::PickleOpcode;

// What reading says of an opcode on its own, with values and a mark below it, zeros and lines
// behind.
std::string complaint_about(uint8_t code) {
  const std::string before = start_pickle + "}" + "(" + text("a") + text("b") + text("c");
  std::string after(300, '\0');
  for (size_t i = 0; i < after.size(); i += 3) after[i] = '\n';
  try {
    canal::io::read_pickle(before + static_cast<char>(code) + after, 0);
    return "";
  } catch (const canal::io::FormatError& error) {
    return error.what();
  }
}

TEST(PickleTable, AllOfPythonsOpcodesAreInIt) {
  std::set<uint8_t> codes;
  std::set<std::string> names;
  for (const PickleOpcode& opcode : pickle_opcodes()) {
    codes.insert(opcode.code);
    names.insert(opcode.name);
  }
  EXPECT_EQ(codes.size(), 68u);
  EXPECT_EQ(names.size(), 68u);
  EXPECT_EQ(pickle_opcodes().size(), 68u);
}

TEST(PickleTable, WhatIsNotAcceptedIsRefusedByItsName) {
  for (int code = 0; code < 256; ++code) {
    const PickleOpcode* opcode = canal::io::pickle_opcode(static_cast<uint8_t>(code));
    const std::string complaint = complaint_about(static_cast<uint8_t>(code));
    const bool at_it = complaint.find("at byte 22,") != std::string::npos;
    const bool refused = at_it && complaint.find("holds the pickle opcode ") == 0;
    EXPECT_EQ(refused, opcode == nullptr || !opcode->accepted) << code << ": " << complaint;
    if (opcode == nullptr || !refused) continue;
    EXPECT_NE(complaint.find(std::string(opcode->name) + " (0x"), std::string::npos) << complaint;
  }
}

// Rows of the first columns of the tables in the document: `| BUILD |` or "| `os.system` |".
std::set<std::string> documented(const std::string& heading) {
  const std::string text = read_bytes(package_file("inst/pickles.md"));
  size_t at = text.find("\n## " + heading);
  EXPECT_NE(at, std::string::npos) << heading;
  const size_t end = std::min(text.find("\n## ", at + 1), text.size());
  std::set<std::string> rows;
  for (at = text.find("\n| `", at); at < end; at = text.find("\n| `", at + 1)) {
    const size_t last = text.find('\n', at + 1);
    rows.insert(text.substr(at + 1, last - at - 1));
  }
  return rows;
}

TEST(PickleTable, TheDocumentHasTheSameOpcodes) {
  std::set<std::string> accepted;
  std::set<std::string> refused;
  for (const PickleOpcode& opcode : pickle_opcodes()) {
    char code[8];
    std::snprintf(code, sizeof(code), "0x%02x", static_cast<unsigned>(opcode.code));
    const std::string row = "| `" + std::string(opcode.name) + "` | " + code + " |";
    (opcode.accepted ? accepted : refused).insert(row);
  }
  EXPECT_EQ(documented("Opcodes that are read"), accepted);
  EXPECT_EQ(documented("Opcodes that are refused"), refused);
}

TEST(PickleTable, TheDocumentHasTheSameGlobals) {
  std::set<std::string> all;
  std::set<std::string> of_bank;
  for (const PickleGlobal& global : pickle_globals()) {
    const std::string row = "| `" + std::string(global.name) + "` | " + global.stands + " |";
    (global.of_bank ? of_bank : all).insert(row);
  }
  EXPECT_EQ(documented("Globals of any checkpoint"), all);
  EXPECT_EQ(documented("Globals of an example bank"), of_bank);
  EXPECT_EQ(all.size() + of_bank.size(), pickle_globals().size());
}

// The reader asks for globals by name or by the end of a name; only those of the table get that
// far.
TEST(PickleTable, ObjectsOfOtherGlobalsAreNothing) {
  const auto maker = [](const std::string& module, const std::string& name) {
    const std::string bytes = start_pickle + call(global(module, name), {}) + ".";
    const canal::io::Pickle pickle = canal::io::read_pickle(bytes, 0);
    return std::string(canal::io::maker_of(pickle, pickle.root));
  };
  for (const PickleGlobal& known : pickle_globals()) {
    const std::string name = known.name;
    const size_t point = name.rfind('.');
    EXPECT_EQ(maker(name.substr(0, point), name.substr(point + 1)), name);
    EXPECT_EQ(maker("evil." + name.substr(0, point), name.substr(point + 1)), "");
    EXPECT_EQ(maker(name.substr(0, point), name.substr(point + 1) + "x"), "");
  }
  EXPECT_EQ(maker("os", "system"), "");
  EXPECT_EQ(maker("evil", "DataFrame"), "");
}

}  // namespace
