"""`clearway tasks` in gdb: the tasks of a program, live or from a core file.

    gdb -p PID -x clearway_tasks.py -ex 'clearway tasks'
    gdb program core -x clearway_tasks.py -ex 'clearway tasks'

Reads the program's memory and nothing else: no function of it is called.
"""

import re
import struct

import gdb
import gdb.unwinder

VERSION = 2
NAMES = """record_sequence record_turn_began record_callbacks record_simulated record_thread
    record_loop record_next loop_driver loop_running loop_main_frame loop_root_scope loop_ready
    ready_next scope_next scope_parent scope_children scope_waiting scope_flags waiter_node
    waiter_node_next waiter_frame child_scope child_site child_name child_frame promise_parent
    promise_scope promise_origin promise_awaiting promise_in_frame completion_outer fiber_context
    fiber_call fiber_descriptors fiber_descriptor_count""".split()
KIND_CHILD = 3
CANCELLED = 8
STACK_SIZE = 1024 * 1024  # at most
# What leads to a fiber's function, and from its last call into the library.
INTERNAL = re.compile(r"^(clearway::|std::|.* clearway::)|Fiber::Entry")


class Reader:
    """The memory, and where things lie in it."""

    def __init__(self):
        try:
            address = gdb.parse_and_eval("(unsigned long)&clearway_debug_root")
        except gdb.error:
            raise gdb.GdbError("no program of Clearway, or one without clearway::inspect: it has "
                               "no symbol clearway_debug_root") from None
        self.root = int(address)
        version, = struct.unpack("<I", self.bytes(self.root + 16, 4))
        if version != VERSION:
            raise gdb.GdbError("the program shows its tasks in version %d, and this script knows "
                               "version %d" % (version, VERSION))
        self.loops, self.waiter_run, self.child_run = struct.unpack(
            "<QQQ", self.bytes(self.root + 32, 24))
        offsets = struct.unpack("<%dI" % len(NAMES), self.bytes(self.root + 56, 4 * len(NAMES)))
        self.at = dict(zip(NAMES, offsets))

    def bytes(self, address, size):
        return gdb.selected_inferior().read_memory(address, size).tobytes()

    def number(self, address, form="<Q"):
        """0 where nothing can be read."""
        try:
            return struct.unpack(form, self.bytes(address, struct.calcsize(form)))[0]
        except (gdb.MemoryError, OverflowError):
            return 0

    def text(self, address):
        result = b""
        try:
            while address and len(result) < 4096:
                part = self.bytes(address + len(result), 1)
                if part == b"\0":
                    return result.decode(errors="replace")
                result += part
        except gdb.MemoryError:
            pass
        return ""

    def site(self, address):
        """(function, file:line) of a std::source_location."""
        path = self.text(self.number(address))
        line = self.number(address + 16, "<I")
        place = "%s:%d" % (path.rsplit("/", 1)[-1], line) if path else ""
        return self.text(self.number(address + 8)), place

    def type_name(self, address):
        """The last word of an object's class, from its type information."""
        information = self.number(self.number(address) - 8)
        symbol = self.text(self.number(information + 8))
        names, rest = [], symbol
        while True:
            match = re.search(r"(\d+)", rest)
            if not match:
                break
            length = int(match.group(1))
            names.append(rest[match.end():match.end() + length])
            rest = rest[match.end() + length:]
            if rest.startswith("I"):
                break
        name = names[-1] if names else "something else"
        return re.sub(r"(?<=.)(Awaiter|Waiter|Operation|Driver)$", "", name).lower()

    def chain(self, first, next_offset):
        seen = set()
        while first and first not in seen:
            seen.add(first)
            yield first
            first = self.number(first + next_offset)


class Fibers(gdb.unwinder.Unwinder):
    """The stacks of fibers that wait. gdb can only begin with the registers of a thread: while a
    fiber is read, the innermost frame of the thread claims that the fiber called it."""

    def __init__(self):
        super().__init__("clearway fibers")
        self.registers = None

    def __call__(self, pending):
        if self.registers is None:
            return None
        registers, self.registers = self.registers, None  # for the innermost frame only
        word = gdb.lookup_type("unsigned long")
        values = {name: gdb.Value(number).cast(word) for name, number in registers.items()}
        # Frames may not lie below those that they called.
        frame = FrameId(gdb.Value(registers["rsp"] - 64).cast(word), values["rip"])
        unwound = pending.create_unwind_info(frame)
        for name, value in values.items():
            unwound.add_saved_register(name, value)
        return unwound

    def stack(self, reader, context):
        """Functions and places, the outermost first. clearway/fiber/switch.hpp leaves on the stack
        where it goes on, rbx, rbp, and 128 bytes."""
        if gdb.selected_inferior().architecture().name() != "i386:x86-64":
            return []
        self.registers = {"rip": reader.number(context), "rbx": reader.number(context + 8),
                          "rbp": reader.number(context + 16), "rsp": context + 24 + 128}
        calls = []
        gdb.invalidate_cached_frames()
        try:
            frame = gdb.newest_frame().older()
            while frame and frame.is_valid() and len(calls) < 128:
                calls.append(self.call(frame))
                if "Fiber::Entry" in calls[-1]:
                    break
                frame = frame.older()
        except (gdb.error, RuntimeError):
            pass
        self.registers = None
        gdb.invalidate_cached_frames()
        return [call for call in reversed(calls) if not INTERNAL.search(call)]

    def call(self, frame):
        place = frame.find_sal()
        name = frame.name() or "%#x" % frame.pc()
        if place.symtab:
            return "%s at %s:%d" % (name, place.symtab.filename.rsplit("/", 1)[-1], place.line)
        library = gdb.solib_name(frame.pc())
        return name + (" in " + library.rsplit("/", 1)[-1] if library else "")


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


fibers = Fibers()
gdb.unwinder.register_unwinder(None, fibers, replace=True)


class LoopTasks:
    """The frames of one loop: who waits for whom."""

    def __init__(self, reader, record):
        self.reader, self.at, self.record = reader, reader.at, record
        self.loop = reader.number(record + self.at["record_loop"])
        self.parents, self.notes, self.names, self.fibers = {}, {}, {}, {}
        self.find()

    def add(self, promise, note=None):
        reader, at = self.reader, self.at
        if note and promise:
            self.notes[promise] = note
        while promise and promise not in self.parents:
            function, _ = reader.site(reader.number(promise + at["promise_origin"]))
            if not function:
                return
            link = reader.number(promise + at["promise_parent"])
            for part in range(16):
                if link & 3 != 1:
                    break
                if part == 0 and reader.type_name(link & ~3) == "fiber":
                    self.fibers[promise] = link & ~3
                link = reader.number((link & ~3) + at["completion_outer"])
            self.parents[promise] = link if link & 3 == 0 else 0
            promise = self.parents[promise]

    def find(self):
        reader, at = self.reader, self.at
        if reader.number(self.record + at["record_sequence"]) & 1:
            self.add(reader.number(self.loop + at["loop_running"]), "runs")
        for node in reader.chain(reader.number(self.loop + at["loop_ready"]), at["ready_next"]):
            run = reader.number(reader.number(node))
            if run == reader.waiter_run:
                self.add(reader.number(node + at["waiter_frame"]) & ~1, "is ready")
            elif run == reader.child_run:
                self.add(self.frame_of_child(node), "is ready")
        self.find_waiting(reader.number(self.loop + at["loop_root_scope"]))
        self.add(reader.number(self.loop + at["loop_main_frame"]))

    def frame_of_child(self, child):
        handle = self.reader.number(child + self.at["child_frame"])
        return handle + self.at["promise_in_frame"] if handle else 0

    def find_waiting(self, outermost):
        reader, at = self.reader, self.at
        scopes, seen = [outermost], set()
        while scopes:
            scope = scopes.pop()
            if not scope or scope in seen:
                continue
            seen.add(scope)
            flags = reader.number(scope + at["scope_flags"], "<B")
            if flags & 3 == KIND_CHILD:
                child = scope - at["child_scope"]
                promise = self.frame_of_child(child)
                self.add(promise)
                name = reader.number(child + at["child_name"])
                if name:
                    self.names[promise] = reader.text(reader.number(name))
            first = reader.number(scope + at["scope_waiting"])
            for node in reader.chain(first, at["waiter_node_next"]):
                waiter = node - at["waiter_node"]
                note = reader.type_name(waiter)
                if flags & CANCELLED:
                    note += " (cancelled, it has not let go yet)"
                self.add(reader.number(waiter + at["waiter_frame"]) & ~1, note)
            first = reader.number(scope + at["scope_children"])
            scopes += list(reader.chain(first, at["scope_next"]))

    def show(self):
        children = {}
        for promise, parent in self.parents.items():
            children.setdefault(parent if parent in self.parents else 0, []).append(promise)
        thread = self.reader.number(self.record + self.at["record_thread"], "<i")
        busy = self.reader.number(self.record + self.at["record_sequence"]) & 1
        print("loop of thread %d, %s, %s" % (
            thread, self.reader.type_name(self.reader.number(self.loop + self.at["loop_driver"])),
            "runs tasks" if busy else "waits"))
        stack = [(promise, 1) for promise in children.get(0, [])]
        while stack:
            promise, depth = stack.pop()
            print("  " * depth + self.line(promise))
            for call in self.stack(promise):
                print("  " * depth + "  | " + call)
            stack += [(child, depth + 1) for child in children.get(promise, [])]

    def stack(self, promise):
        fiber = self.fibers.get(promise)
        if not fiber:
            return []
        context = self.reader.number(fiber + self.at["fiber_context"])
        waits = context < fiber <= context + STACK_SIZE
        return fibers.stack(self.reader, context) if waits else []

    def call(self, fiber):
        """What a fiber waits in."""
        reader, at = self.reader, self.at
        text = reader.text(reader.number(fiber + at["fiber_call"]))
        if not text:
            return ""
        first = reader.number(fiber + at["fiber_descriptors"])
        count = min(reader.number(fiber + at["fiber_descriptor_count"]), 64)
        numbers = [reader.number(first + 8 * index, "<i") for index in range(count)]
        numbers = [str(number) for number in numbers if number >= 0]
        return text + "()" + (" on descriptor " + ", ".join(numbers) if numbers else "")

    def line(self, promise):
        reader, at = self.reader, self.at
        function, origin = reader.site(reader.number(promise + at["promise_origin"]))
        _, place = reader.site(reader.number(promise + at["promise_awaiting"]))
        name = '"%s" ' % self.names[promise] if promise in self.names else ""
        note = " - " + self.notes[promise] if promise in self.notes else ""
        if promise in self.fibers:
            call = self.call(self.fibers[promise])
            if call and note:
                note = " - " + call
            return "fiber%s%s" % ("" if call else " at " + (place or origin), note)
        return "%s%s at %s%s" % (name, function, place or origin, note)


class Clearway(gdb.Command):
    """What the tasks of a Clearway program wait for: `clearway tasks`."""

    def __init__(self):
        super().__init__("clearway", gdb.COMMAND_STATUS, prefix=True)


class Tasks(gdb.Command):
    """All tasks of every loop: where they are and what they wait for."""

    def __init__(self):
        super().__init__("clearway tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        reader = Reader()
        first = reader.number(reader.loops)
        for record in reader.chain(first, reader.at["record_next"]):
            LoopTasks(reader, record).show()


Clearway()
Tasks()
