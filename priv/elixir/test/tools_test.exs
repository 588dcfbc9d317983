defmodule CerebrosBridge.ToolsTest do
  # Issue 11, kind 21: what the mix tasks leave alone, print, and say is missing.
  use ExUnit.Case, async: false

  alias CerebrosBridge.{JsonReader, Options, Service}

  @moduletag timeout: 240_000
  @project Path.expand("..", __DIR__)

  setup do
    folder = Service.fresh_home()
    on_exit(fn -> File.rm_rf!(folder) end)
    {:ok, folder: folder}
  end

  defp mix(arguments, options) do
    folder = Keyword.get(options, :cd, @project)
    errors = Path.join(System.tmp_dir!(), "mix-#{System.unique_integer([:positive])}")
    shell = ["-c", ~s(errors=$1; shift; exec mix "$@" 2> "$errors"), "sh", errors | arguments]
    env = [{"MIX_ENV", "test"} | Keyword.get(options, :env, [])]
    {output, status} = System.cmd("/bin/sh", shell, cd: folder, env: env)
    told = File.read!(errors)
    File.rm!(errors)
    {status, output, told}
  end

  test "with --format json stdout is JSON alone, also when the client is compiled first",
       %{
         folder: folder
       } do
    File.write!(Path.join(folder, "mix.exs"), """
    defmodule Host.MixProject do
      use Mix.Project
      def project, do: [app: :host, version: "0.1.0", deps: [{:cerebros_bridge, path: #{inspect(@project)}}]]
      def application, do: [extra_applications: [:logger]]
    end
    """)

    url = ["--url", "http://127.0.0.1:1/metrics", "--format", "json"]

    for project <- [folder, @project] do
      built = Path.join(folder, Path.basename(project))
      options = [cd: project, env: [{"MIX_BUILD_PATH", built}]]
      assert {1, report, _} = mix(["thunderline.brg.check" | url], options)
      assert {:ok, %{"overall_status" => "critical"}} = JsonReader.decode(report)
      assert File.dir?(Path.join(built, "lib/cerebros_bridge"))
    end
  end

  test "lines of the Logger are on stderr", %{folder: folder} do
    code =
      ~s|CerebrosBridge.Terminal.start(); require Logger; Logger.error("aloud"); Logger.flush()|

    assert {0, "", told} =
             mix(["run", "-e", code], cd: @project, env: [{"CEREBROS_HOME", folder}])

    assert told =~ "aloud"
  end

  test "doctor brings no home into being and starts no database", %{folder: folder} do
    home = Path.join(folder, "not/there")
    {_status, answer, _told} = mix(["cerebros.doctor", "--home", home, "--format", "json"], [])
    assert {:ok, findings} = JsonReader.decode(answer)

    assert %{"well" => nil, "account" => account} =
             Enum.find(findings, &(&1["subject"] == "session"))

    assert account =~ "--session"
    refute File.exists?(Path.join(folder, "not"))
  end

  test "without gun, or without cowlib, gRPC names what is missing and how to get it", %{
    folder: folder
  } do
    File.ln_s!(Application.app_dir(:gun), Path.join(folder, "gun-1.3.3"))

    for {libraries, missing} <- [{"", "gun"}, {folder, "cowlib"}] do
      arguments = ["cerebros.vcv", "p", "--grpc", "127.0.0.1:1"]
      assert {1, "", told} = mix(arguments, env: [{"ERL_LIBS", libraries}])
      assert told =~ "FAILED_PRECONDITION: #{missing} is not on the code path"
      assert told =~ ~s({:gun, "~> 1.3"} and {:cowlib, )

      assert {1, ill, _} =
               mix(["cerebros.doctor" | tl(tl(arguments))], env: [{"ERL_LIBS", libraries}])

      assert ill =~ ~r/NOT OK +gun +#{missing} is not on the code path/
    end
  end

  test "every field of a start has an option; candidates are a file of JSON", %{folder: folder} do
    file = Path.join(folder, "candidates.json")
    File.write!(file, ~S([{"t": "net", "p": {"rate": 0.5}}]))

    for kind <- Options.kinds() do
      {_manifest, options} = parts = Options.of_run(kind)
      assert :candidates in Enum.map(options, &List.last(&1.path))
      assert Options.listed(options) =~ "--candidates FILE"

      assert {:ok, %{spec: %{candidates: [%{"t" => "net", "p" => %{"rate" => 0.5}}]}}} =
               Options.request(parts, [pac: "p", candidates: file], "m.toml")
    end
  end
end
