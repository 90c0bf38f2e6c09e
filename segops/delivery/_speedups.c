/* The compiled twin of `PureEventQueue` in queue.py, which says what each attribute is for; both write the same bytes.

   It is optional: where it cannot be compiled, queue.py does without. It holds no JSON encoder (the payload goes through
   msgspec) and no policy: whatever is not the usual case is left to Python by returning False. No code of the host runs
   in between, so that no other thread, signal handler or destructor sees half of what it does. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

#ifdef Py_GIL_DISABLED
#error "It relies on the GIL: free-threaded interpreters use PureEventQueue."
#endif

#define INTERFACE 2 /* as in queue.py */
#define MAX_DEPTH 32
#define OPENING "{\"events\":["
#define SEPARATOR ",\n"
#define CLOSING "]}"
#define LENGTH(literal) ((Py_ssize_t)sizeof(literal) - 1)

/* Events that will travel in one request, as its body but for the end. */
typedef struct Chunk {
    struct Chunk *next;
    char *bytes;
    Py_ssize_t size, capacity, events;
} Chunk;

typedef struct {
    PyObject_HEAD
    PyObject *encode, *event_types, *wake;
    Chunk *first, *last;
    Py_ssize_t max_event_bytes, max_events, max_bytes, batch_events, batch_bytes, pending_bytes, waiting, taken, room, wake_at, overhead,
        out_of_turn;
    char is_single, is_direct, is_closed;
} EventQueue;

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

/* From the clock that `datetime.now` reads. */
static struct timespec
read_clock(void)
{
    struct timespec now = {0};
#ifdef _WIN32
    (void)timespec_get(&now, TIME_UTC);
#else
    (void)clock_gettime(CLOCK_REALTIME, &now);
#endif
    return now;
}

static int
in_utc(const time_t *second, struct tm *parts)
{
#ifdef _WIN32
    return gmtime_s(parts, second) == 0;
#else
    return gmtime_r(second, parts) != NULL;
#endif
}

/* Write `2027-01-05T09:30:00.123456Z`, or, as datetime has it, without a fraction if that is zero; returns the length,
   or 0 if there is no such date. */
static Py_ssize_t
write_now(char *to)
{
    static time_t second = -1;
    static char text[sizeof "2027-01-05T09:30:00"];
    struct timespec now = read_clock();
    if (now.tv_sec != second) {
        struct tm parts;
        second = -1;
        if (!in_utc(&now.tv_sec, &parts)
            || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) != sizeof text - 1) {
            return 0;
        }
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
    return (Py_ssize_t)length + 1;
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

static Chunk *
new_chunk(EventQueue *self)
{
    Chunk *chunk = PyMem_Calloc(1, sizeof(Chunk));
    if (chunk == NULL) {
        return NULL;
    }
    chunk->capacity = 1024;
    chunk->bytes = PyMem_Malloc((size_t)chunk->capacity);
    if (chunk->bytes == NULL) {
        PyMem_Free(chunk);
        return NULL;
    }
    if (!self->is_single) {
        memcpy(chunk->bytes, OPENING, sizeof OPENING);
        chunk->size = LENGTH(OPENING);
    }
    if (self->last == NULL) {
        self->first = chunk;
    }
    else {
        char *trimmed = PyMem_Realloc(self->last->bytes, (size_t)self->last->size);
        self->last->bytes = trimmed ? trimmed : self->last->bytes;
        self->last->next = chunk;
    }
    self->last = chunk;
    return chunk;
}

static void
drop_first(EventQueue *self)
{
    Chunk *chunk = self->first;
    self->first = chunk->next;
    if (self->first == NULL) {
        self->last = NULL;
    }
    PyMem_Free(chunk->bytes);
    PyMem_Free(chunk);
}

static int
make_room(Chunk *chunk, Py_ssize_t size)
{
    Py_ssize_t capacity = chunk->capacity;
    while (capacity < size) {
        capacity *= 2;
    }
    if (capacity > chunk->capacity) {
        char *bytes = PyMem_Realloc(chunk->bytes, (size_t)capacity);
        if (bytes == NULL) {
            return -1;
        }
        chunk->bytes = bytes;
        chunk->capacity = capacity;
    }
    return 0;
}

/* Return where to write an event of that size, which is counted already; or NULL if there is no room for it. */
static char *
reserve(EventQueue *self, Py_ssize_t size)
{
    if (self->waiting >= self->room || size + self->overhead > self->max_bytes - self->pending_bytes) {
        return NULL;
    }
    Chunk *chunk = self->last;
    Py_ssize_t needed = LENGTH(SEPARATOR) + size + LENGTH(CLOSING);
    if (chunk == NULL || chunk->events >= self->batch_events
        || (chunk->events && chunk->size > self->batch_bytes - needed)) {
        chunk = new_chunk(self);
    }
    if (chunk == NULL || make_room(chunk, chunk->size + needed) < 0) {
        return NULL;
    }
    if (chunk->events) {
        memcpy(chunk->bytes + chunk->size, SEPARATOR, sizeof SEPARATOR - 1);
        chunk->size += LENGTH(SEPARATOR);
    }
    char *to = chunk->bytes + chunk->size;
    chunk->size += size;
    chunk->events++;
    self->waiting++;
    self->pending_bytes += size + self->overhead;
    return to;
}

/* Call one of the attributes, which whatever it calls may replace, with one argument or, for NULL, none. */
static PyObject *
call(PyObject *function, PyObject *argument)
{
    if (function == NULL) {
        return PyErr_Format(PyExc_TypeError, "the queue is not complete any more");
    }
    Py_INCREF(function);
    PyObject *result = argument ? PyObject_CallOneArg(function, argument) : PyObject_CallNoArgs(function);
    Py_DECREF(function);
    return result;
}

/* The event is enqueued: the caller must not mistake an error of the wake for a refusal. */
static PyObject *
wake_if_due(EventQueue *self)
{
    if (self->waiting >= self->wake_at) {
        PyObject *nothing = call(self->wake, NULL);
        if (nothing == NULL && !PyErr_ExceptionMatches(PyExc_Exception)) {
            return NULL;
        }
        PyErr_Clear();
        Py_XDECREF(nothing);
    }
    Py_RETURN_TRUE;
}

static char *
write_bytes(char *to, const char *bytes, Py_ssize_t length)
{
    memcpy(to, bytes, (size_t)length);
    return to + length;
}

#define WRITE(to, literal) write_bytes(to, literal, LENGTH(literal))

static char *
write_text(char *to, PyObject *text)
{
    return write_bytes(to, (const char *)PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text));
}

#define USER_ID "{\"user_id\":\""
#define EVENT_TYPE "\",\"event_type\":\""
#define OCCURRED_AT "\",\"occurred_at\":\""
#define PAYLOAD ",\"payload\":"
#define ANONYMOUS_ID ",\"anonymous_id\":\""

/* Put the event in as msgspec encodes the struct: the fields in their order, those that are empty left out. */
static int
lay_out(EventQueue *self, PyObject *user, PyObject *type, PyObject *payload, PyObject *anonymous)
{
    char now[32];
    Py_ssize_t now_length = write_now(now);
    Py_ssize_t size = LENGTH(USER_ID EVENT_TYPE OCCURRED_AT "\"}") + now_length + PyUnicode_GET_LENGTH(user)
                      + PyUnicode_GET_LENGTH(type);
    size += payload ? LENGTH(PAYLOAD) + PyBytes_GET_SIZE(payload) : 0;
    size += anonymous ? LENGTH(ANONYMOUS_ID "\"") + PyUnicode_GET_LENGTH(anonymous) : 0;
    char *to = !now_length || size > self->max_event_bytes ? NULL : reserve(self, size);
    if (to == NULL) {
        return 0;
    }
    to = write_text(WRITE(to, USER_ID), user);
    to = write_text(WRITE(to, EVENT_TYPE), type);
    to = write_bytes(WRITE(to, OCCURRED_AT), now, now_length);
    to = WRITE(to, "\"");
    if (payload) {
        to = write_bytes(WRITE(to, PAYLOAD), PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload));
    }
    if (anonymous) {
        to = WRITE(write_text(WRITE(to, ANONYMOUS_ID), anonymous), "\"");
    }
    (void)WRITE(to, "}");
    return 1;
}

/* Whether enrichers want the type, which may have methods of its own there; -1 with an exception set. */
static int
is_wanted(EventQueue *self, PyObject *type)
{
    PyObject *event_types = Py_NewRef(self->event_types);
    int found = PySet_Contains(event_types, type);
    Py_DECREF(event_types);
    return found;
}

/* Return whether the event was the usual case, and is in; no exception is set in either case. */
static int
take_in(EventQueue *self, PyObject *user, PyObject *type, PyObject *payload, PyObject *anonymous)
{
    anonymous = anonymous == Py_None ? NULL : anonymous;
    if (!is_simple(user) || !PyUnicode_GET_LENGTH(user) || !is_simple(type) || !PyUnicode_GET_LENGTH(type)
        || (anonymous && !is_simple(anonymous)) || !clock_is_real()) {
        return 0;
    }
    if (payload == Py_None) {
        return lay_out(self, user, type, NULL, anonymous);
    }
    if (!PyDict_CheckExact(payload) || !is_plain(payload, 0)) {
        return 0;
    }
    if (!PyDict_GET_SIZE(payload)) {
        return lay_out(self, user, type, NULL, anonymous);
    }
    PyObject *encoded = call(self->encode, payload);
    int is_in = encoded != NULL && PyBytes_CheckExact(encoded) && lay_out(self, user, type, encoded, anonymous);
    Py_XDECREF(encoded);
    PyErr_Clear(); /* Python comes to the same error, and says what it means */
    return is_in;
}

PyDoc_STRVAR(try_enqueue_doc, "try_enqueue($self, user_id, event_type, payload, anonymous_id, /)\n--\n\n"
                         "Take an event that happens now, or return False if it is not the usual case.");

static PyObject *
try_enqueue(PyObject *object, PyObject *const *fields, Py_ssize_t count)
{
    EventQueue *self = (EventQueue *)object;
    if (count != 4) {
        return PyErr_Format(PyExc_TypeError, "try_enqueue() takes 4 arguments, not %zd", count);
    }
    int is_ready = self->is_direct && self->encode && self->wake && self->event_types && PyFrozenSet_CheckExact(self->event_types);
    if (!is_ready || !PyUnicode_CheckExact(fields[1])) {
        Py_RETURN_FALSE;
    }
    int found = is_wanted(self, fields[1]);
    if (found < 0) {
        return NULL;
    }
    if (found || !take_in(self, fields[0], fields[1], fields[2], fields[3])) {
        Py_RETURN_FALSE;
    }
    return wake_if_due(self);
}

PyDoc_STRVAR(enqueue_doc, "enqueue($self, event, /)\n--\n\nAppend an encoded event, or return False if there is no room for it.");

static PyObject *
enqueue(PyObject *object, PyObject *event)
{
    EventQueue *self = (EventQueue *)object;
    if (!PyBytes_Check(event) || self->wake == NULL) {
        return PyErr_Format(PyExc_TypeError, "enqueue() takes bytes, once there is something to wake");
    }
    char *to = reserve(self, PyBytes_GET_SIZE(event));
    if (to == NULL) {
        Py_RETURN_FALSE;
    }
    (void)write_bytes(to, PyBytes_AS_STRING(event), PyBytes_GET_SIZE(event));
    return wake_if_due(self);
}

PyDoc_STRVAR(drain_doc, "drain($self, /)\n--\n\n"
                       "Return the body of the next request, the number of its events and None; or None if there are none.");

static PyObject *
drain(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    EventQueue *self = (EventQueue *)object;
    if (self->waiting == 0) {
        Py_RETURN_NONE;
    }
    /* A tuple may set the garbage collector off, and that any code of the host: it is made first. */
    PyObject *taken = PyTuple_New(3);
    if (taken == NULL) {
        return NULL;
    }
    if (self->waiting == 0) {
        Py_DECREF(taken);
        Py_RETURN_NONE;
    }
    Chunk *chunk = self->first;
    Py_ssize_t closing = self->is_single ? 0 : LENGTH(CLOSING);
    PyObject *body = PyBytes_FromStringAndSize(NULL, chunk->size + closing);
    PyObject *events = PyLong_FromSsize_t(chunk->events);
    if (body == NULL || events == NULL) {
        Py_XDECREF(body);
        Py_XDECREF(events);
        Py_DECREF(taken);
        return NULL;
    }
    (void)write_bytes(write_bytes(PyBytes_AS_STRING(body), chunk->bytes, chunk->size), CLOSING, closing);
    self->waiting -= chunk->events;
    self->taken += chunk->events;
    self->room -= chunk->events;
    drop_first(self);
    PyTuple_SET_ITEM(taken, 0, body);
    PyTuple_SET_ITEM(taken, 1, events);
    PyTuple_SET_ITEM(taken, 2, Py_NewRef(Py_None));
    return taken;
}

PyDoc_STRVAR(release_doc, "release($self, events, size, /)\n--\n\n"
                          "Give back the room of events that were drained and are settled now.");

static PyObject *
release(PyObject *object, PyObject *const *numbers, Py_ssize_t count)
{
    EventQueue *self = (EventQueue *)object;
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "release() takes 2 arguments, not %zd", count);
    }
    Py_ssize_t events = PyLong_AsSsize_t(numbers[0]);
    Py_ssize_t size = PyErr_Occurred() ? -1 : PyLong_AsSsize_t(numbers[1]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    self->room += events;
    self->pending_bytes -= size + events * self->overhead;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(is_half_full_doc, "is_half_full($self, /)\n--\n\n"
                               "Return whether more than half of what the queue may hold is used.");

static PyObject *
is_half_full(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    EventQueue *self = (EventQueue *)object;
    return PyBool_FromLong(self->waiting > self->max_events / 2 || self->pending_bytes > self->max_bytes / 2);
}

PyDoc_STRVAR(arm_doc, "arm($self, length, /)\n--\n\nAsk for the worker to be woken once so many events wait.");

static PyObject *
arm(PyObject *object, PyObject *number)
{
    EventQueue *self = (EventQueue *)object;
    Py_ssize_t length = PyNumber_AsSsize_t(number, NULL); /* a larger number becomes the largest */
    if (length == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!self->is_closed) {
        self->wake_at = length;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nRefuse all further events.");

static PyObject *
close_queue(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    EventQueue *self = (EventQueue *)object;
    self->is_closed = 1;
    self->room = PY_SSIZE_T_MIN / 2; /* however many events are drained or released */
    self->wake_at = 0;
    Py_RETURN_NONE;
}

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    EventQueue *self = (EventQueue *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->encode);
    Py_VISIT(self->event_types);
    Py_VISIT(self->wake);
    return 0;
}

static int
clear(PyObject *object)
{
    EventQueue *self = (EventQueue *)object;
    Py_CLEAR(self->encode);
    Py_CLEAR(self->event_types);
    Py_CLEAR(self->wake);
    return 0;
}

static void
dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)clear(object);
    while (((EventQueue *)object)->first != NULL) {
        drop_first((EventQueue *)object);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"encode", T_OBJECT_EX, offsetof(EventQueue, encode), 0, NULL},
    {"event_types", T_OBJECT_EX, offsetof(EventQueue, event_types), 0, NULL},
    {"wake", T_OBJECT_EX, offsetof(EventQueue, wake), 0, NULL},
    {"max_event_bytes", T_PYSSIZET, offsetof(EventQueue, max_event_bytes), 0, NULL},
    {"max_events", T_PYSSIZET, offsetof(EventQueue, max_events), 0, NULL},
    {"max_bytes", T_PYSSIZET, offsetof(EventQueue, max_bytes), 0, NULL},
    {"batch_events", T_PYSSIZET, offsetof(EventQueue, batch_events), 0, NULL},
    {"batch_bytes", T_PYSSIZET, offsetof(EventQueue, batch_bytes), 0, NULL},
    {"pending_bytes", T_PYSSIZET, offsetof(EventQueue, pending_bytes), 0, NULL},
    {"waiting", T_PYSSIZET, offsetof(EventQueue, waiting), READONLY, NULL},
    {"taken", T_PYSSIZET, offsetof(EventQueue, taken), READONLY, NULL},
    {"room", T_PYSSIZET, offsetof(EventQueue, room), 0, NULL},
    {"wake_at", T_PYSSIZET, offsetof(EventQueue, wake_at), 0, NULL},
    {"overhead", T_PYSSIZET, offsetof(EventQueue, overhead), 0, NULL},
    {"out_of_turn", T_PYSSIZET, offsetof(EventQueue, out_of_turn), READONLY, NULL},
    {"is_closed", T_BOOL, offsetof(EventQueue, is_closed), READONLY, NULL},
    {"is_single", T_BOOL, offsetof(EventQueue, is_single), 0, NULL},
    {"is_direct", T_BOOL, offsetof(EventQueue, is_direct), 0, NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"try_enqueue", (PyCFunction)(void (*)(void))try_enqueue, METH_FASTCALL, try_enqueue_doc},
    {"enqueue", enqueue, METH_O, enqueue_doc},
    {"drain", drain, METH_NOARGS, drain_doc},
    {"release", (PyCFunction)(void (*)(void))release, METH_FASTCALL, release_doc},
    {"is_half_full", is_half_full, METH_NOARGS, is_half_full_doc},
    {"arm", arm, METH_O, arm_doc},
    {"close", close_queue, METH_NOARGS, close_doc},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The compiled PureEventQueue."},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "segops.delivery._speedups.EventQueue",
    .basicsize = sizeof(EventQueue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

/* Whether the function tells the time that we read, and not one to which a test has travelled. */
static int
tells_time(PyObject *function)
{
    PyObject *seconds = PyObject_CallNoArgs(function);
    double difference = seconds == NULL ? 9.0 : PyFloat_AsDouble(seconds) - (double)read_clock().tv_sec;
    Py_XDECREF(seconds);
    PyErr_Clear();
    return difference > -2.0 && difference < 2.0;
}

static int
find_clock(void)
{
    PyObject *module = PyImport_ImportModule("time");
    if (module == NULL) {
        return -1;
    }
    time_name = PyUnicode_InternFromString("time");
    time_names = PyModule_Check(module) ? Py_NewRef(PyModule_GetDict(module)) : NULL;
    Py_DECREF(module);
    PyObject *found = time_name && time_names ? PyDict_GetItemWithError(time_names, time_name) : NULL;
    if (found == NULL || !PyCFunction_Check(found) || !tells_time(found)) {
        PyErr_SetString(PyExc_ImportError, "time.time is not the interpreter's own");
        return -1;
    }
    real_time = PyCFunction_GET_FUNCTION(found);
    return 0;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "segops.delivery._speedups",
    .m_doc = "The usual case of `track()`, compiled.",
    .m_size = -1, /* one for each process: a client is refused in a subinterpreter anyway */
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    if (find_clock() < 0) {
        return NULL;
    }
    PyObject *type = PyType_FromSpec(&spec);
    PyObject *made = type == NULL ? NULL : PyModule_Create(&module);
    if (made == NULL || PyModule_AddObjectRef(made, "EventQueue", type) < 0
        || PyModule_AddIntConstant(made, "INTERFACE", INTERFACE) < 0) {
        Py_CLEAR(made);
    }
    Py_XDECREF(type);
    return made;
}
