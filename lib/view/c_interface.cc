// thaw.h, which says what each function promises. Nothing thrown leaves a function.

#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "prepare/option_table.h"
#include "view/model_view.h"
#include "view/specs_beside.h"
#include "view/thaw.h"

struct thaw_model {
  std::unique_ptr<thaw::ModelView> view;
  std::vector<std::string> names;  // of the plan's tensors, each with a zero at its end
};

namespace thaw {

namespace {

// A text of the caller's; null where there is no memory, or nobody asked.
int report(int code, const std::string& text, char** error) {
  if (error == nullptr) return code;
  *error = static_cast<char*>(std::malloc(text.size() + 1));
  if (*error != nullptr) std::memcpy(*error, text.c_str(), text.size() + 1);
  return code;
}

std::string text_of(const Error& error) {
  std::string text;
  for (const std::string& message : error.messages) {
    if (!text.empty()) text += '\n';
    text += message;
  }
  return error.hint.empty() ? text : text + "\nhint: " + error.hint;
}

// Runs what may fail, and says what came of it.
template <typename Function>
int call(char** error, const Function& function) {
  if (error != nullptr) *error = nullptr;
  try {
    const Status status = function();
    if (status.ok()) return THAW_OK;
    return report(static_cast<int>(status.error().code), text_of(status.error()), error);
  } catch (const std::bad_alloc&) {
    return report(THAW_NO_SPACE, "not enough memory", error);
  } catch (const std::exception& exception) {
    return report(THAW_BUG, printable(exception.what()), error);
  }
}

Status refuse(const std::string& what) { return fail(ErrorCode::usage, {}, what); }

Status apply(ConvertOptions& options, const char* name, const char* value) {
  if (std::string_view(name) == "models") {
    options.model_specs = value;
    return {};
  }
  const OptionEntry* const entry = find_option(name);
  if (entry == nullptr) return refuse("there is no option " + in_quotes(name));
  if (entry->scope != Scope::result) {
    return refuse("the option " + in_quotes(name) + " is of writing, and nothing is written");
  }
  if (entry->value.empty() && std::string_view(value) != "true" &&
      std::string_view(value) != "false") {
    return refuse("the option " + in_quotes(name) + " is true or false, not " + in_quotes(value));
  }
  return entry->apply(options, value);
}

Status open(const char* model, const char* const* words, thaw_model** opened) {
  ConvertOptions options;
  options.model = model;
  options.model_specs = model_specs_beside();
  for (; words != nullptr && *words != nullptr; words += 2) {
    if (words[1] == nullptr) return refuse("the option " + in_quotes(*words) + " has no value");
    THAW_RETURN_IF_ERROR(apply(options, words[0], words[1]));
  }
  auto made = std::make_unique<thaw_model>();
  THAW_ASSIGN_OR_RETURN(made->view, ModelView::open(options, guest_file_system()));
  for (const PlannedTensor& tensor : made->view->plan().tensors) {
    made->names.emplace_back(tensor.name);
  }
  *opened = made.release();
  return {};
}

Result<const PlannedTensor*> tensor_of(const thaw_model* model, std::size_t tensor) {
  const std::vector<PlannedTensor>& tensors = model->view->plan().tensors;
  if (tensor < tensors.size()) return &tensors[tensor];
  return refuse("there is no tensor " + std::to_string(tensor) + " among " +
                std::to_string(tensors.size()));
}

Result<const PlannedFile*> file_of(const thaw_model* model, std::size_t file) {
  const std::vector<PlannedFile>& files = model->view->plan().files;
  if (file < files.size()) return &files[file];
  return refuse("there is no file " + std::to_string(file) + " among " +
                std::to_string(files.size()));
}

std::uint64_t rows_of(const PlannedTensor& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape[0];
}
std::uint64_t row_size_of(const PlannedTensor& tensor) {
  return rows_of(tensor) == 0 ? 0 : tensor.size / rows_of(tensor);
}

// Fills what the caller knows of a structure; members are added at the end only.
template <typename Structure>
Status hand_over(const Structure& made, Structure* to) {
  const std::size_t known = to->struct_size;
  if (known < sizeof(to->struct_size)) return refuse("struct_size is not set");
  std::memcpy(to, &made, std::min(known, sizeof made));
  to->struct_size = known;
  return {};
}

}  // namespace
}  // namespace thaw

const char* thaw_version(void) { return THAW_VERSION; }
int thaw_interface_version(void) { return THAW_INTERFACE_VERSION; }

int thaw_open(const char* model, const char* const* options, thaw_model** opened, char** error) {
  return thaw::call(error, [&] { return thaw::open(model, options, opened); });
}

void thaw_close(thaw_model* model) { delete model; }

const char* thaw_warning(const thaw_model* model, size_t index) {
  const std::vector<std::string>& warnings = model->view->warnings();
  return index < warnings.size() ? warnings[index].c_str() : nullptr;
}

size_t thaw_tensor_count(const thaw_model* model) { return model->names.size(); }

int thaw_describe(const thaw_model* model, size_t tensor, thaw_tensor* described, char** error) {
  return thaw::call(error, [&]() -> thaw::Status {
    THAW_ASSIGN_OR_RETURN(const thaw::PlannedTensor* found, thaw::tensor_of(model, tensor));
    thaw_tensor made{};
    made.name = model->names[tensor].c_str();
    made.dtype = thaw::dtype_name(found->dtype).data();  // a literal, with its zero
    made.shape = found->shape.data();
    made.rank = found->shape.size();
    made.size = found->size;
    made.rows = thaw::rows_of(*found);
    made.row_size = thaw::row_size_of(*found);
    made.file = found->file;
    made.offset = found->offset;
    return thaw::hand_over(made, described);
  });
}

int64_t thaw_find(const thaw_model* model, const char* name) {
  const thaw::Plan& plan = model->view->plan();
  const thaw::PlannedTensor* const found = plan.find(name);
  return found == nullptr ? -1 : found - plan.tensors.data();
}

int thaw_read_rows(const thaw_model* model, size_t tensor, uint64_t first, uint64_t count, void* to,
                   size_t room, char** error) {
  return thaw::call(error, [&]() -> thaw::Status {
    THAW_ASSIGN_OR_RETURN(const thaw::PlannedTensor* found, thaw::tensor_of(model, tensor));
    const std::uint64_t rows = thaw::rows_of(*found);
    if (first > rows || count > rows - first) {
      return thaw::refuse(thaw::printable(found->name) + ": there are no rows " +
                          std::to_string(first) + " to " + std::to_string(first + count) +
                          " among " + std::to_string(rows));
    }
    const std::uint64_t row = thaw::row_size_of(*found);
    if (room < count * row) {
      return thaw::refuse(thaw::printable(found->name) + ": " + std::to_string(count * row) +
                          " bytes do not fit into " + std::to_string(room));
    }
    return model->view->read(*found, first * row, count * row, static_cast<std::byte*>(to));
  });
}

size_t thaw_file_count(const thaw_model* model) { return model->view->plan().files.size(); }

int thaw_describe_file(const thaw_model* model, size_t file, thaw_file* described, char** error) {
  return thaw::call(error, [&]() -> thaw::Status {
    THAW_ASSIGN_OR_RETURN(const thaw::PlannedFile* found, thaw::file_of(model, file));
    thaw_file made{};
    made.name = found->name.c_str();
    made.size = found->size;
    made.tensors = found->tensors;
    return thaw::hand_over(made, described);
  });
}

int thaw_read_file(const thaw_model* model, size_t file, uint64_t offset, uint64_t size, void* to,
                   char** error) {
  return thaw::call(error, [&]() -> thaw::Status {
    THAW_ASSIGN_OR_RETURN(const thaw::PlannedFile* found, thaw::file_of(model, file));
    if (offset > found->size || size > found->size - offset) {
      return thaw::refuse(thaw::printable(found->name) + ": there are no bytes " +
                          std::to_string(offset) + " to " + std::to_string(offset + size) +
                          " among " + std::to_string(found->size));
    }
    return model->view->read_file(*found, offset, size, static_cast<std::byte*>(to));
  });
}

void thaw_free(char* error) { std::free(error); }
