CerebrosBridge.Service.start_suite()
ExUnit.start()
