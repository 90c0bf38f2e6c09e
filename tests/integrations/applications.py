"""The same site in several frameworks, as programs for real servers.

Each knows a user by `/page/USER`, which may wait; `/up` is not a page. Nothing is sent before the server gets the
signal to stop.
"""

CLIENT = """
import os, time
from segops import SegOpsClient
client = SegOpsClient(os.environ["TEST_URL"], "sk_test_servers", flush_interval=3600, batch_size=1000)
"""

FASTAPI = (
    CLIENT
    + """
import signal
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from segops import close_on_signal
from segops.integrations import AsgiMiddleware, identify_request

@asynccontextmanager
async def lifespan(_):
    yield
    client.track(user_id="last", event_type="x")

app = FastAPI(lifespan=lifespan)
app.add_middleware(AsgiMiddleware, client=client)

@app.get("/up")
def up():
    return {"up": True}

@app.get("/page/{user}", response_class=HTMLResponse)
def page(user: str, wait: float = 0.0):
    identify_request(user)
    time.sleep(wait)
    return f"<p>hello {user}"

if os.environ.get("TEST_REMEDY") == "close_on_signal":
    close_on_signal(signal.SIGTERM)
"""
)

FLASK = (
    CLIENT
    + """
from flask import Flask, request
from flask_login import LoginManager, UserMixin, login_user, logout_user
from segops.integrations import Policy, identify_request
from segops.integrations.flask import SegOps

app = Flask(__name__)
app.secret_key = "test"
SegOps(app, client, policy=Policy(anonymous=os.environ.get("TEST_ANONYMOUS", "anonymous")))
manager = LoginManager(app)

class User(UserMixin):
    def __init__(self, id):
        self.id = id

manager.user_loader(User)

@app.get("/up")
def up():
    return {"up": True}

@app.get("/page/<user>")
def page(user):
    identify_request(user)
    time.sleep(float(request.args.get("wait", 0)))
    return f"<p>hello {user}"

@app.get("/login/<user>")
def login(user):
    login_user(User(user))
    return "<p>hello"

@app.get("/logout")
def logout():
    logout_user()
    return "<p>bye"

@app.get("/current-user")
def current_user():
    return "<p>hello"
"""
)

DJANGO = (
    CLIENT
    + """
import asyncio, sys
import django
from django.conf import settings
from segops.integrations import AsgiMiddleware, Policy, WsgiMiddleware, identify_request

PLACE = int(os.environ.get("TEST_PLACE", 0))
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
if PLACE >= 0:
    MIDDLEWARE.insert(PLACE, "segops.integrations.django.SegOpsMiddleware")
settings.configure(
    SECRET_KEY="test",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=MIDDLEWARE,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TEST_DATABASE"]}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    SEGOPS={
        "client": client,
        "policy": Policy(anonymous=os.environ.get("TEST_ANONYMOUS", "anonymous")),
        "user_id": lambda user: {"ada": "ada"}[user.username],
    },
)
django.setup()

from django.contrib.auth import alogin, alogout, login, logout
from django.contrib.auth.models import User
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

def up(request):
    return JsonResponse({"up": True})

def page(request, user):
    identify_request(user)
    time.sleep(float(request.GET.get("wait", 0)))
    return HttpResponse(f"<p>hello {user}")

def log_in(request, user):
    login(request, User.objects.get(username=user))
    return HttpResponse("<p>hello")

def log_out(request):
    logout(request)
    return HttpResponse("<p>bye")

async def async_log_in(request, user):
    await request.auser()
    await alogin(request, await User.objects.aget(username=user))
    return HttpResponse("<p>hello")

async def async_log_out(request):
    await alogout(request)
    return HttpResponse("<p>bye")

def current_user(request):
    return HttpResponse("<p>hello")

async def async_current_user(request):
    return HttpResponse("<p>hello")

def stream(request):
    def body():
        yield b"a"
        identify_request("streamed")
        if "fails" in request.GET:
            raise ValueError("the application's own")
        yield b"b"
    return StreamingHttpResponse(body())

async def async_stream(request):
    async def body():
        yield b"a"
        identify_request("streamed")
        if "fails" in request.GET:
            raise ValueError("the application's own")
        yield b"b"
    return StreamingHttpResponse(body())

def file(request):
    return FileResponse(open(__file__, "rb"), content_type="text/html")

def fails(request):
    raise ValueError("the application's own")

urlpatterns = [
    path("up", up),
    path("page/<user>", page),
    path("login/<user>", log_in),
    path("logout", log_out),
    path("async/login/<user>", async_log_in),
    path("async/logout", async_log_out),
    path("current-user", current_user),
    path("async/current-user", async_current_user),
    path("stream", stream),
    path("async/stream", async_stream),
    path("file", file),
    path("fails", fails),
]

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

if os.environ.get("TEST_INTERFACE") == "asgi":
    app = AsgiMiddleware(get_asgi_application(), client, handle_lifespan=True)
elif os.environ.get("TEST_INTERFACE") == "asgi alone":
    app = get_asgi_application()
else:
    app = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    for name in ("ada", "bob"):
        User.objects.create_user(name)
"""
)

TASKS = (
    CLIENT
    + """
from celery import Celery
from segops.integrations import WsgiMiddleware, identify_request, request_identity
from segops.integrations.celery import connect

app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
    },
    task_ignore_result=True,
    worker_hijack_root_logger=False,
)
connect(client)

@app.task
def work(number):
    client.track(user_id=request_identity().user_id or "nobody", event_type="x", payload={"pid": os.getpid()})
    if number:
        work.delay(number - 1)
    else:
        open(f"done-{time.time_ns()}", "w").close()

def site(environ, start_response):
    user = environ["PATH_INFO"]
    if user != "/":
        identify_request(user)
    work.delay(2)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]

site = WsgiMiddleware(site, client)
"""
)
