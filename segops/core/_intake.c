/* The compiled twin of `PureIntake` in intake.py, which says what each attribute is for; both write the same bytes.

   It is optional: where it cannot be compiled, intake.py does without. It holds no JSON encoder (the payload goes through
   msgspec) and no policy: whatever is not the usual case is left to Python by returning False. No code of the host runs
   in between, so that no other thread, signal handler or destructor sees half of what it does. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

#ifdef Py_GIL_DISABLED
#error "It relies on the GIL: free-threaded interpreters use PureIntake."
#endif

#define MAX_DEPTH 32

typedef struct {
    PyObject_HEAD
    PyObject *queue, *append, *encode, *wanted, *wake;
    Py_ssize_t max_event_bytes, max_bytes, bytes, room, wake_at;
    char is_direct;
} Intake;

/* The function behind `time.time` when this module was loaded, and the dictionary in which it is looked up again: tests
   that freeze time put another one there, or into the object. */
static PyObject *time_names;
static PyObject *time_name;
static PyCFunction real_time;

static int
clock_is_real(void)
{
    PyObject *found = PyDict_GetItemWithError(time_names, time_name);
    return found != NULL && PyCFunction_Check(found) && PyCFunction_GET_FUNCTION(found) == real_time;
}

/* `2027-01-05T09:30:00.123456Z`, or, as datetime has it, without a fraction if that is zero; returns the length. */
static size_t
write_now(char *to)
{
    static time_t second = -1;
    static char text[sizeof "2027-01-05T09:30:00"];
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    if (now.tv_sec != second) {
        struct tm parts;
#ifdef _WIN32
        gmtime_s(&parts, &now.tv_sec);
#else
        gmtime_r(&now.tv_sec, &parts);
#endif
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        second = now.tv_sec;
    }
    size_t length = sizeof text - 1;
    memcpy(to, text, length);
    long micros = now.tv_nsec / 1000;
    if (micros) {
        to[length] = '.';
        for (size_t place = length + 6; place > length; place--, micros /= 10) {
            to[place] = (char)('0' + micros % 10);
        }
        length += 7;
    }
    to[length] = 'Z';
    return length + 1;
}

/* Whether it is a str that JSON shows as it is: ASCII that needs no escape. */
static int
is_simple(PyObject *text)
{
    if (!PyUnicode_CheckExact(text) || !PyUnicode_IS_COMPACT_ASCII(text)) {
        return 0;
    }
    const unsigned char *at = PyUnicode_1BYTE_DATA(text);
    const unsigned char *end = at + PyUnicode_GET_LENGTH(text);
    for (; at < end; at++) {
        if (*at < ' ' || *at == '"' || *at == '\\') {
            return 0;
        }
    }
    return 1;
}

static int
fits_64_bits(PyObject *number)
{
    int overflow;
    (void)PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow > 0) {
        (void)PyLong_AsUnsignedLongLong(number);
        if (PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
    }
    return overflow >= 0;
}

/* As `is_plain` of encoding.py. */
static int
is_plain(PyObject *value, int depth)
{
    if (PyUnicode_CheckExact(value) || value == Py_None || PyBool_Check(value)) {
        return 1;
    }
    if (PyFloat_CheckExact(value)) {
        double number = PyFloat_AS_DOUBLE(value);
        return number - number == 0.0;
    }
    if (PyLong_CheckExact(value)) {
        return fits_64_bits(value);
    }
    if (depth == MAX_DEPTH) {
        return 0;
    }
    if (PyDict_CheckExact(value)) {
        PyObject *key, *item;
        Py_ssize_t place = 0;
        while (PyDict_Next(value, &place, &key, &item)) {
            if (!PyUnicode_CheckExact(key) || !is_plain(item, depth + 1)) {
                return 0;
            }
        }
        return 1;
    }
    if (PyList_CheckExact(value)) {
        for (Py_ssize_t place = 0; place < PyList_GET_SIZE(value); place++) {
            if (!is_plain(PyList_GET_ITEM(value, place), depth + 1)) {
                return 0;
            }
        }
        return 1;
    }
    return 0;
}

static char *
put(char *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return to + length;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *
put_text(char *to, PyObject *text)
{
    return put(to, (const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
}

/* The event as msgspec encodes the struct: fields in their order, those that are empty left out. */
static PyObject *
lay_out(PyObject *user, PyObject *type, PyObject *payload, PyObject *anonymous)
{
    char now[32];
    size_t now_length = write_now(now);
    size_t size = sizeof "{\"user_id\":\"\",\"event_type\":\"\",\"occurred_at\":\"\"}" - 1 + now_length;
    size += (size_t)(PyUnicode_GET_LENGTH(user) + PyUnicode_GET_LENGTH(type));
    size += payload ? sizeof ",\"payload\":" - 1 + (size_t)PyBytes_GET_SIZE(payload) : 0;
    size += anonymous ? sizeof ",\"anonymous_id\":\"\"" - 1 + (size_t)PyUnicode_GET_LENGTH(anonymous) : 0;
    PyObject *event = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (event == NULL) {
        return NULL;
    }
    char *to = PUT(PyBytes_AS_STRING(event), "{\"user_id\":\"");
    to = PUT(put_text(to, user), "\",\"event_type\":\"");
    to = PUT(put_text(to, type), "\",\"occurred_at\":\"");
    to = PUT(put(to, now, now_length), "\"");
    if (payload) {
        to = put(PUT(to, ",\"payload\":"), PyBytes_AS_STRING(payload), (size_t)PyBytes_GET_SIZE(payload));
    }
    if (anonymous) {
        to = PUT(put_text(PUT(to, ",\"anonymous_id\":\""), anonymous), "\"");
    }
    PUT(to, "}");
    return event;
}

/* Return the encoded event, or NULL, with no exception set, if it is not the usual case. */
static PyObject *
encode(Intake *self, PyObject *user, PyObject *type, PyObject *payload, PyObject *anonymous)
{
    PyObject *properties = NULL;
    anonymous = anonymous == Py_None ? NULL : anonymous;
    if (!is_simple(user) || !PyUnicode_GET_LENGTH(user) || !is_simple(type) || !PyUnicode_GET_LENGTH(type)
        || (anonymous && !is_simple(anonymous)) || !clock_is_real()) {
        return NULL;
    }
    if (payload != Py_None) {
        if (!PyDict_CheckExact(payload) || !is_plain(payload, 0)) {
            return NULL;
        }
        if (PyDict_GET_SIZE(payload)) {
            properties = PyObject_CallOneArg(self->encode, payload);
            if (properties == NULL || !PyBytes_CheckExact(properties)) {
                Py_XDECREF(properties);
                PyErr_Clear(); /* Python comes to the same error, and says what it means */
                return NULL;
            }
        }
    }
    PyObject *event = lay_out(user, type, properties, anonymous);
    Py_XDECREF(properties);
    if (event == NULL) {
        PyErr_Clear();
    }
    return event;
}

static int
has_room(Intake *self, Py_ssize_t size)
{
    return size <= self->max_event_bytes && self->bytes + size <= self->max_bytes
           && PyObject_Size(self->queue) < self->room;
}

static int
is_complete(Intake *self)
{
    return self->queue && self->append && self->encode && self->wake && self->wanted
           && PyFrozenSet_CheckExact(self->wanted);
}

PyDoc_STRVAR(accept_doc, "accept($self, user_id, event_type, payload, anonymous_id, /)\n--\n\n"
                         "Take an event that happens now, or return False if it is not the usual case.");

static PyObject *
accept(PyObject *object, PyObject *const *fields, Py_ssize_t count)
{
    Intake *self = (Intake *)object;
    if (count != 4) {
        return PyErr_Format(PyExc_TypeError, "accept() takes 4 arguments, not %zd", count);
    }
    if (!self->is_direct || !is_complete(self) || !PyUnicode_CheckExact(fields[1])
        || PySet_Contains(self->wanted, fields[1])) {
        Py_RETURN_FALSE;
    }
    PyObject *event = encode(self, fields[0], fields[1], fields[2], fields[3]);
    if (event == NULL) {
        Py_RETURN_FALSE;
    }
    Py_ssize_t size = PyBytes_GET_SIZE(event);
    if (!has_room(self, size)) {
        Py_DECREF(event);
        Py_RETURN_FALSE;
    }
    self->bytes += size;
    PyObject *nothing = PyObject_CallOneArg(self->append, event);
    Py_DECREF(event);
    if (nothing == NULL) {
        return NULL;
    }
    Py_DECREF(nothing);
    if (PyObject_Size(self->queue) >= self->wake_at) {
        nothing = PyObject_CallNoArgs(self->wake);
        if (nothing == NULL) {
            return NULL;
        }
        Py_DECREF(nothing);
    }
    Py_RETURN_TRUE;
}

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    Intake *self = (Intake *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->queue);
    Py_VISIT(self->append);
    Py_VISIT(self->encode);
    Py_VISIT(self->wanted);
    Py_VISIT(self->wake);
    return 0;
}

static int
clear(PyObject *object)
{
    Intake *self = (Intake *)object;
    Py_CLEAR(self->queue);
    Py_CLEAR(self->append);
    Py_CLEAR(self->encode);
    Py_CLEAR(self->wanted);
    Py_CLEAR(self->wake);
    return 0;
}

static void
dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"queue", T_OBJECT_EX, offsetof(Intake, queue), 0, NULL},
    {"append", T_OBJECT_EX, offsetof(Intake, append), 0, NULL},
    {"encode", T_OBJECT_EX, offsetof(Intake, encode), 0, NULL},
    {"wanted", T_OBJECT_EX, offsetof(Intake, wanted), 0, NULL},
    {"wake", T_OBJECT_EX, offsetof(Intake, wake), 0, NULL},
    {"max_event_bytes", T_PYSSIZET, offsetof(Intake, max_event_bytes), 0, NULL},
    {"max_bytes", T_PYSSIZET, offsetof(Intake, max_bytes), 0, NULL},
    {"bytes", T_PYSSIZET, offsetof(Intake, bytes), 0, NULL},
    {"room", T_PYSSIZET, offsetof(Intake, room), 0, NULL},
    {"wake_at", T_PYSSIZET, offsetof(Intake, wake_at), 0, NULL},
    {"is_direct", T_BOOL, offsetof(Intake, is_direct), 0, NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"accept", (PyCFunction)(void (*)(void))accept, METH_FASTCALL, accept_doc},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The compiled PureIntake."},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "segops.core._intake.Intake",
    .basicsize = sizeof(Intake),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

static int
find_clock(void)
{
    PyObject *module = PyImport_ImportModule("time");
    if (module == NULL) {
        return -1;
    }
    time_names = Py_NewRef(PyModule_GetDict(module));
    time_name = PyUnicode_InternFromString("time");
    PyObject *found = PyDict_GetItemWithError(time_names, time_name);
    Py_DECREF(module);
    if (found == NULL || !PyCFunction_Check(found)) {
        PyErr_SetString(PyExc_ImportError, "time.time is not the interpreter's own");
        return -1;
    }
    real_time = PyCFunction_GET_FUNCTION(found);
    return 0;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "segops.core._intake",
    .m_doc = "The usual case of `track()`, compiled.",
    .m_size = -1, /* one for each process: a client is refused in a subinterpreter anyway */
};

PyMODINIT_FUNC
PyInit__intake(void)
{
    if (find_clock() < 0) {
        return NULL;
    }
    PyObject *type = PyType_FromSpec(&spec);
    PyObject *made = type == NULL ? NULL : PyModule_Create(&module);
    if (made == NULL || PyModule_AddObjectRef(made, "Intake", type) < 0) {
        Py_CLEAR(made);
    }
    Py_XDECREF(type);
    return made;
}
