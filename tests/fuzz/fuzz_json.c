/* Bodies: whatever is accepted is printed, read back and printed the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    error_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) value = json_parse(size ? (const char *)data : "", size, &error);
    if (!value != !!error || (error && strchr(error->message, '\n')))
        abort();
    if (!value)
        return 0;
    g_autofree char *text = json_print(value);
    g_autoptr(cJSON) again = json_parse(text, strlen(text), NULL);
    g_autofree char *same = again ? json_print(again) : NULL;
    if (!same || strcmp(text, same) != 0)
        abort();
    g_autoptr(cJSON) merged = json_merge_patch(cJSON_Duplicate(again, true), value);
    g_autofree char *printed = json_print(merged);
    if (!printed)
        abort();
    return 0;
}
