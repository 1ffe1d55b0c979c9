// Memory that cannot be had ends the process, as in common/mem.h: an exception cannot leave a noexcept function.
#include "third_party/toml_shim.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <toml++/toml.h>

namespace
{

const char *copy_text(std::string_view text)
{
    char *copy = new char[text.size() + 1];

    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return copy;
}

toml_type type_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return TOML_TABLE;
    case toml::node_type::array:
        return TOML_ARRAY;
    case toml::node_type::string:
        return TOML_STRING;
    case toml::node_type::integer:
        return TOML_INTEGER;
    case toml::node_type::floating_point:
        return TOML_FLOAT;
    case toml::node_type::boolean:
        return TOML_BOOLEAN;
    default:
        return TOML_TIME;
    }
}

toml_place place_of(const toml::source_region &source)
{
    return {source.begin.line, source.begin.column};
}

void copy_node(const toml::node &node, toml_value &ret);

void copy_table(const toml::table &table, toml_value &ret)
{
    ret.n_children = table.size();
    ret.children = new toml_value[table.size()]();
    toml_value *child = ret.children;
    for (auto &&[key, node] : table) {
        copy_node(node, *child);
        child->key = copy_text(key.str());
        child->key_place = place_of(key.source());
        child++;
    }
    // toml++ keeps its keys by name.
    std::sort(ret.children, child, [](const toml_value &a, const toml_value &b) {
        return a.key_place.line != b.key_place.line ? a.key_place.line < b.key_place.line
                                                    : a.key_place.column < b.key_place.column;
    });
}

void copy_array(const toml::array &array, toml_value &ret)
{
    ret.n_children = array.size();
    ret.children = new toml_value[array.size()]();
    for (size_t i = 0; i < array.size(); i++)
        copy_node(array[i], ret.children[i]);
}

void copy_node(const toml::node &node, toml_value &ret)
{
    ret.type = type_of(node);
    ret.place = place_of(node.source());
    if (const auto *table = node.as_table()) {
        copy_table(*table, ret);
    } else if (const auto *array = node.as_array()) {
        copy_array(*array, ret);
    } else if (const auto *text = node.as_string()) {
        ret.text = copy_text(text->get());
        ret.text_len = text->get().size();
    } else if (const auto *integer = node.as_integer()) {
        ret.integer = integer->get();
    } else if (const auto *boolean = node.as_boolean()) {
        ret.boolean = boolean->get();
    }
}

void free_inside(toml_value &value)
{
    for (size_t i = 0; i < value.n_children; i++)
        free_inside(value.children[i]);
    delete[] value.children;
    delete[] value.key;
    delete[] value.text;
}

// A toml::parse_error is the answer to bad text; std::bad_alloc ends here.
toml_value *parse(std::string_view text, toml_error &ret_error) noexcept
{
    try {
        toml::table root = toml::parse(text);
        auto *copy = new toml_value();

        copy_node(root, *copy);
        return copy;
    } catch (const toml::parse_error &err) {
        ret_error.place = place_of(err.source());
        std::snprintf(ret_error.message, sizeof(ret_error.message), "%.*s", static_cast<int>(err.description().size()),
                      err.description().data());
        return nullptr;
    }
}

} // namespace

toml_value *toml_parse(const char *text, size_t len, toml_error *ret_error)
{
    return parse(std::string_view(text, len), *ret_error);
}

void toml_free(toml_value **root)
{
    if (*root == nullptr)
        return;
    free_inside(**root);
    delete *root;
    *root = nullptr;
}
