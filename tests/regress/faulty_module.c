/* A PKCS#11 module around another one, which now and then says what it should not.
   A fault is on as long as the file FAULTS/<name> holds a number above 0, which is counted down at each use. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long ulong_t;
typedef struct { unsigned char version[2]; void *functions[68]; } function_list;
typedef struct { ulong_t type; void *value; ulong_t length; } attribute;

enum { GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, GET_MECHANISM_LIST = 7, GET_ATTRIBUTE_VALUE = 24, FIND_OBJECTS = 27,
       SIGN = 43 };
enum { GENERAL_ERROR = 5 };
static const ulong_t HUGE_COUNT = 1UL << 40;

static function_list *real, ours;

static int fault(const char *name)
{
    char path[4096];
    long left = 0;
    snprintf(path, sizeof path, "%s/%s", FAULTS, name);
    FILE *file = fopen(path, "r+");
    if (!file) return 0;
    if (fscanf(file, "%ld", &left) == 1 && left > 0) {
        rewind(file);
        fprintf(file, "%-20ld", left - 1);
    }
    fclose(file);
    return left > 0;
}

static ulong_t get_slot_list(unsigned char present, ulong_t *slots, ulong_t *count)
{
    ulong_t (*next)(unsigned char, ulong_t *, ulong_t *) = real->functions[GET_SLOT_LIST];
    ulong_t rv = next(present, slots, count);
    if (fault("slots")) *count = HUGE_COUNT;
    return rv;
}

static ulong_t get_token_info(ulong_t slot, unsigned char *info)
{
    ulong_t (*next)(ulong_t, unsigned char *) = real->functions[GET_TOKEN_INFO];
    ulong_t rv = next(slot, info);
    if (rv == 0 && fault("pinlengths")) memset(info + 96 + 5 * sizeof(ulong_t), 0xff, 6 * sizeof(ulong_t));
    if (rv == 0 && fault("texts")) memset(info + 32, 0xf5, 48);
    return rv;
}

static ulong_t get_mechanism_list(ulong_t slot, ulong_t *mechanisms, ulong_t *count)
{
    ulong_t (*next)(ulong_t, ulong_t *, ulong_t *) = real->functions[GET_MECHANISM_LIST];
    ulong_t rv = next(slot, mechanisms, count);
    if (fault("mechanismcount")) *count = HUGE_COUNT;
    if (mechanisms && fault("mechanisms")) memset(mechanisms, 0x5a, *count * sizeof(ulong_t));
    if (mechanisms && fault("onemechanism")) { mechanisms[0] = 0x250; *count = 1; }
    return rv;
}

static ulong_t get_attribute_value(ulong_t session, ulong_t object, attribute *template, ulong_t count)
{
    ulong_t (*next)(ulong_t, ulong_t, attribute *, ulong_t) = real->functions[GET_ATTRIBUTE_VALUE];
    if (fault("attributes")) return GENERAL_ERROR;
    ulong_t rv = next(session, object, template, count);
    if (fault("lengths")) template[0].length = HUGE_COUNT;
    return rv;
}

static ulong_t find_objects(ulong_t session, ulong_t *handles, ulong_t room, ulong_t *count)
{
    static ulong_t number;
    ulong_t (*next)(ulong_t, ulong_t *, ulong_t, ulong_t *) = real->functions[FIND_OBJECTS];
    ulong_t rv = next(session, handles, room, count);
    if (fault("findcount")) *count = HUGE_COUNT;
    if (fault("findsame")) { handles[0] = 7; *count = 1; }
    if (fault("findendless")) for (*count = 0; *count < room; ) handles[(*count)++] = 1000000 + number++;
    return rv;
}

static ulong_t sign(ulong_t session, void *data, ulong_t length, void *signature, ulong_t *room)
{
    ulong_t (*next)(ulong_t, void *, ulong_t, void *, ulong_t *) = real->functions[SIGN];
    ulong_t rv = next(session, data, length, signature, room);
    if (fault("signlength")) *room = HUGE_COUNT;
    if (signature && fault("signshort")) *room = *room / 4;
    if (signature && fault("signwrong")) ((unsigned char *) signature)[*room / 2] ^= 1;
    return rv;
}

ulong_t C_GetFunctionList(function_list **list)
{
    void *library = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
    if (!library) return GENERAL_ERROR;
    ulong_t (*get)(function_list **) = dlsym(library, "C_GetFunctionList");
    ulong_t rv = get(&real);
    if (rv) return rv;
    ours = *real;
    ours.functions[GET_SLOT_LIST] = get_slot_list;
    ours.functions[GET_TOKEN_INFO] = get_token_info;
    ours.functions[GET_MECHANISM_LIST] = get_mechanism_list;
    ours.functions[GET_ATTRIBUTE_VALUE] = get_attribute_value;
    ours.functions[FIND_OBJECTS] = find_objects;
    ours.functions[SIGN] = sign;
    *list = &ours;
    return 0;
}
